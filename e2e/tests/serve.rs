//! `shuntctl serve` with real parts: a webhook deploys under load, and what is due is done by itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use e2e::process::tool;
use e2e::{Port, shuntctl, start_shuntctl, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::shop::Shop;
use crate::site::{HOST, answers};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What docs/serve.md tells scripts to do.
const SCRIPT: &str = r#"
body="{\"tag\":\"$TAG\"}"
time=$(date +%s)
signature=$(printf '%s.%s' "$time" "$body" | openssl dgst -sha256 -hmac "$SECRET" -hex | sed 's/.* //')
curl -s -H "X-Shunt-Signature: t=$time,v1=$signature" -d "$body" http://$ADDRESS/hooks/web/generic
"#;

async fn status(address: &str) -> Value {
    let url = format!("http://{address}/v1/status");
    let answer =
        tool("curl", &["-s", "-H", &format!("Authorization: Bearer {SECRET}"), &url]).await;
    let mut value: Value =
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
    value["apps"][0].take()
}

fn write(directory: &Path, shop: &Shop, listen: &str) -> String {
    let (path, file) = (directory.display(), shop.file());
    let secret = directory.join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "listen = \"{listen}\"\nstate = \"{path}/state\"\nlook = \"1s\"\n{}\
         [tokens.test]\nfile = \"{path}/secret\"\n\
         [apps.web]\ndeploy_file = \"{}\"\nrestart = true\n\
         [[apps.web.webhooks]]\nkind = \"generic\"\nsecret_file = \"{path}/secret\"\n\
         [[apps.web.webhooks]]\nkind = \"registry\"\nsecret_file = \"{path}/secret\"\n",
        shop.store.section(),
        file.display()
    );
    let config = directory.join("serve.toml");
    std::fs::write(&config, text).unwrap();
    config.display().to_string()
}

#[tokio::test]
async fn a_webhook_deploys_under_load_and_the_rest_comes_by_itself() {
    // Longer than the deploy: the old release is there when it ends.
    let mut shop = Shop::with_settings("[deploy]\nwarm = \"5s\"\n").await;
    shop.deploy("1").await;
    shop.engine.publish_demo("2", &[]).await;
    let directory = TempDir::new().unwrap();
    // Where the engine's own machine reaches it, too.
    let port = Port::free();
    let listen = format!("{}:{}", shop.engine.gateway(), port.number());
    let config = write(directory.path(), &shop, &listen);
    let check = shuntctl(&shop.store, &["serve", "--check", "--config", &config]).await;
    assert_eq!(check.code, 0, "{check}");
    let serve = ["serve", "--config", config.as_str()];
    let mut daemon = start_shuntctl(&shop.store, &serve, directory.path(), None);
    let address = daemon.said("listening ").await;

    let load = shop.load(16);
    answers(&load, "1", 50).await;
    let script = format!("TAG=2 SECRET={SECRET} ADDRESS={address}\n{SCRIPT}");
    let answer = tool("sh", &["-c", &script]).await;
    assert!(answer.contains(r#""result":"queued""#), "{answer}");
    answers(&load, "2", 50).await;
    until("the deploy is over", async || {
        status(&address).await["runs"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    until("the warm release is retired when its time is up", async || {
        let one = shop.engine.containers().await.len() == 1;
        (one && shop.store.keys("apps/web/draining/").await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(shop.running().await, ["2"]);
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["1", "2"]);

    let green = shop.store.get("apps/web/green").await.unwrap();
    let old = shop.engine.containers().await.remove(0);
    shop.engine.docker(&["rm", "--force", &old.id]).await;
    let new = until("the container is started again", async || {
        let all = shop.engine.containers().await;
        all.into_iter().find(|container| container.id != old.id && container.state == "running")
    })
    .await;
    assert_eq!(new.labels, old.labels);
    assert!(daemon.log().contains("gone: web-green-"), "{}", daemon.log());
    let load = shop.load(8);
    answers(&load, "2", 50).await;
    load.stop().await;
    assert_eq!(shop.store.get("apps/web/green").await.unwrap(), green, "its target is what it was");

    // A registry tells of what is pushed to it, in its own words.
    let hook = format!("http://{address}/hooks/web/registry");
    shop.engine.kill_registry().await;
    shop.engine.start_registry_that_tells(&hook, SECRET).await;
    shop.engine.publish_demo("3", &[]).await;
    shop.proxies[0].serves(HOST, "3").await;
    assert!(daemon.stop().await.success());
}
