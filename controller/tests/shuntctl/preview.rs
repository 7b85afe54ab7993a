//! Previews around a deploy, on a real engine: what hooks are told, what is put back, and what is waited
//! for.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use e2e::until;
use shunt_config::key::AppKey;
use shunt_config::pass::{Pass, PassKey};
use shunt_config::status::AppStatus;
use shunt_config::store::Txn;
use shunt_config::{Slot, Token};

use crate::shop::Shop;
use crate::site::Site;

const ROUTE: &str = "hosts = [\"www.example.com\"]\npreview = { host = \"{slot}.{host}\" }";
const APP: &str = r#"{"hosts":["www.example.com"],"preview":{"host":"{slot}.{host}"}}"#;

/// A key file, and the key in it.
fn key(site: &Site) -> (String, PassKey) {
    let path = site.write("preview.key", &"07".repeat(32));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    (path.display().to_string(), PassKey::new(&[7; 32]))
}

/// Whether `text`, a header field or a cookie, is a pass for what was announced as `token`.
fn is_for(text: &str, mark: char, key: &PassKey, token: &Token) -> bool {
    let pass = Pass::parse(text.split_once(mark).unwrap().1.trim().as_bytes()).unwrap();
    pass.is_timely() && pass.is_for(std::slice::from_ref(key), &"web".parse().unwrap(), token)
}

#[tokio::test]
async fn the_standby_is_shown_with_its_hosts_and_a_pass_that_is_for_it_alone() {
    let site = Site::with_two_releases().await;
    site.run(&["preview", "web"]).await.ended_with(2).says("`web` has no previews");
    site.put(AppKey::App, APP).await;
    let run = site.run(&["preview", "web", "--json"]).await.ended_with(0);
    let said = run.json();
    assert_eq!(said["urls"], serde_json::json!(["http://green.www.example.com/"]));
    assert!(said["slot"] == "green" && said["version"] == "1.1" && said["header"].is_null());

    let (file, key) = key(&site);
    let keys = site.keys().await;
    let [blue, green] = Slot::BOTH.map(|slot| keys.slot(slot).unwrap().token.clone());
    for (more, token) in
        [(&["--key", &file][..], &green), (&["--slot", "blue", "--key", &file], &blue)]
    {
        let run = site.run(&[&["preview", "web", "--json"], more].concat()).await.ended_with(0);
        let said = run.json();
        let (header, cookie) = (said["header"].as_str().unwrap(), said["cookie"].as_str().unwrap());
        assert!(header.starts_with("X-Shunt-Preview: ") && is_for(header, ':', &key, token));
        assert!(cookie.starts_with("shunt-web.preview=") && is_for(cookie, '=', &key, token));
        let other = if *token == green { &blue } else { &green };
        assert!(!is_for(header, ':', &key, other));
    }
    let run = site.run(&["preview", "web", "--for", "10m", "--key", &file]).await.ended_with(0);
    run.says("http://green.www.example.com/\nX-Shunt-Preview: v1.")
        .says("Cookie: shunt-web.preview=");

    for (arguments, word) in [
        (&["--for", "2h"][..], "a pass is good for 1h at most"),
        (&["--key", "none.key"], "none.key: No such file"),
        (&["--slot", "red"], "red"),
    ] {
        let run = site.run(&[&["preview", "web"], arguments].concat()).await.ended_with(2);
        run.says(word);
    }
    site.put(AppKey::App, r#"{"hosts":["www.example.com"],"preview":{}}"#).await;
    site.run(&["preview", "web"]).await.ended_with(2).says("no key is named");
    site.put(AppKey::Active, "blue:90,green:10").await;
    site.run(&["preview", "web"]).await.ended_with(2).says("--slot green");
}

#[tokio::test]
async fn hooks_see_where_the_release_is_seen_and_no_output_shows_its_pass() {
    let hook = "echo $SHUNT_PREVIEW_HEADER; echo \"$SHUNT_PREVIEW_URL\" >> said; \
                echo \"$SHUNT_PREVIEW_HEADER\" >> said; echo \"$SHUNT_PREVIEW_COOKIE\" >> said";
    let shop = Shop::open(&["1", "2"], "").await;
    let (file, key) = key(&shop.site);
    let settings = format!("[hooks]\nverify = '{hook}'\n[preview]\nkey_file = \"{file}\"\n");
    let _proxy = shop.obedient("lb1").await;
    // The first deploy is without; the second brings previews before it flips.
    shop.deploy("1").await.ended_with(0);
    shop.write_file(ROUTE, &settings);
    let run = shop.deploy("2").await.ended_with(0).says("verify | ***");
    let text = std::fs::read_to_string(shop.site.directory.path().join("said")).unwrap();
    let said: Vec<_> = text.lines().collect();
    assert_eq!(said[0], "http://green.www.example.com/");
    let token = shop.site.keys().await.slot(Slot::Green).unwrap().token.clone();
    assert!(is_for(said[1], ':', &key, &token) && is_for(said[2], '=', &key, &token));
    assert!(!run.output.contains("v1.") && !run.errors.contains("v1."), "{}", run.output);
    assert!(shop.site.everything().await.iter().all(|(_, value)| !value.contains("v1.")));
}

#[tokio::test]
async fn a_release_that_fails_its_verify_is_removed_when_previews_have_let_go_of_it() {
    let shop = Shop::open(&["1", "2"], "").await;
    // A proxy that shows what is in green, and has a preview on what was, until it is let go.
    let over = Arc::new(AtomicBool::new(false));
    let (let_go, shown) = (Arc::clone(&over), Mutex::new(None::<Token>));
    let proxy = shop.proxy("lb1").await;
    let _proxy = proxy.obeys_but(move |keys, status| {
        let present = keys.slot(Slot::Green).map(|kept| kept.token.clone());
        let mut shown = shown.lock().unwrap();
        let left = shown.clone().filter(|_| present.is_none() && !let_go.load(SeqCst));
        let previews_left = left.into_iter().map(|token| (token, 1)).collect();
        *shown = present.clone().or(shown.take());
        Some(AppStatus { previews: present.into_iter().collect(), previews_left, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    let before = shop.site.keys().await.app.unwrap().text();
    shop.write_file(ROUTE, "[hooks]\nverify = \"exit 1\"\n");
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    until("it waits", async || deploy.log().contains("1 request on lb1").then_some(())).await;
    assert_eq!(shop.containers().await, ["1", "2"]);
    assert_eq!(
        shop.site.keys().await.app.unwrap().text(),
        before,
        "previews went with the release"
    );
    over.store(true, SeqCst);
    // Something for the proxy to hear, that is no word to the deploy.
    let heard = Txn::new().put("apps/other/active", "blue".to_owned());
    shop.site.store.commit(heard).await.unwrap();
    assert_eq!(deploy.ended().await.code(), Some(9), "{}", deploy.log());
    assert_eq!(shop.containers().await, ["1"]);
}
