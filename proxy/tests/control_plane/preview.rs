//! Preview hosts: who has them, when a release is shown, and what is told of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use e2e::{ask, until};
use http::Request;
use http_body_util::Full;
use rustix::process::Signal;
use serde_json::json;
use shunt_config::pass::{MOST, PassKey};

use crate::backend::Backend;
use crate::site::{HOST, Site};

const PREVIEW: &str = r#","preview":{"host":"{slot}.{host}"}"#;
const GREEN: &str = "green.www.example.com";
const BLUE: &str = "blue.www.example.com";

async fn answers(site: &Site, host: &str, name: &str) {
    until(&format!("{name} answers for {host}"), async || {
        let answer = ask::get(site.proxy.address(), host, "/").await.ok()?;
        (answer.body == name).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_release_is_shown_when_it_is_proved_and_not_before() {
    let site = Site::with("", PREVIEW).await;
    answers(&site, BLUE, "one").await;
    answers(&site, GREEN, "two").await;
    // Another announcement is proved anew.
    site.two.set_up(500);
    let token = site.put("apps/web/green", &site.two.address.to_string()).await;
    let answer = until("it is not shown any more", async || {
        let answer = ask::get(site.proxy.address(), GREEN, "/").await.ok()?;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(answer.body.contains("before its health checks have passed"), "{}", answer.body);
    let shown = |status: &serde_json::Value| {
        status["previews"].as_array().is_some_and(|all| all.contains(&json!(token)))
    };
    site.told("it is not told either", |status| (!shown(status)).then_some(())).await;
    site.two.set_up(200);
    answers(&site, GREEN, "two").await;
    site.told("it is told", |status| shown(status).then_some(())).await;
    // One that has passed is shown while it fails, as one that serves goes on serving.
    site.two.set_up(500);
    site.told("it fails", |status| {
        let mut targets = status["targets"].as_array()?.iter();
        targets.any(|target| target["state"] == json!("failing")).then_some(())
    })
    .await;
    answers(&site, GREEN, "two").await;
    assert_eq!(site.get("/").await.unwrap().body, "one");
    let of_green = r#"shunt_requests_total{app="web",slot="green",code="2xx"}"#;
    assert_eq!(site.proxy.metric(of_green).await, None);
    let previews = r#"shunt_preview_requests_total{app="web",slot="green",code="2xx"}"#;
    assert!(site.proxy.metric(previews).await.is_some());
}

#[tokio::test]
async fn a_preview_host_is_as_much_the_apps_as_its_own() {
    let site = Site::with("", PREVIEW).await;
    let three = Backend::start("three").await;
    site.put("apps/api/blue", &three.address.to_string()).await;
    site.put("apps/api/active", "blue").await;
    site.put("apps/api/app", &format!(r#"{{"hosts":["{GREEN}"]}}"#)).await;
    let reason = until("the other app is refused", async || {
        let status = site.proxy.status().await["apps"]["api"].clone();
        status["refused"][0]["reason"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(reason, format!("host `{GREEN}` is app `web`'s"));
    answers(&site, GREEN, "two").await;
    // And let go of like its own.
    site.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
    answers(&site, GREEN, "three").await;
    site.put("apps/web/app", &format!(r#"{{"hosts":["www.example.com"]{PREVIEW}}}"#)).await;
    until("it is refused in turn", async || {
        let status = site.proxy.status().await["apps"]["web"].clone();
        status["refused"].is_array().then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().body, "one", "the last good settings stay");
}

#[tokio::test]
async fn what_is_left_of_a_replaced_release_is_told_apart_from_the_drain_until_it_is_over() {
    let site = Site::with("", PREVIEW).await;
    answers(&site, GREEN, "two").await;
    let token = site
        .told("green is shown", |status| {
            let mut targets = status["targets"].as_array()?.iter();
            let green = targets.find(|target| target["slot"] == json!("green"))?;
            Some(green["token"].as_str()?.to_owned())
        })
        .await;
    let address = site.proxy.address();
    let held = tokio::spawn(async move { ask::get(address, GREEN, "/hold").await });
    site.two.holds(1).await;
    // A flip, and back: the preview stays where it is.
    for slot in ["green", "blue"] {
        site.put("apps/web/active", slot).await;
        let status = site
            .told(&format!("{slot} serves"), |status| {
                (status["serving"][0]["slot"] == json!(slot)).then(|| status.clone())
            })
            .await;
        assert_eq!((status.get("draining"), status.get("previews_left")), (None, None));
    }
    let three = Backend::start("three").await;
    site.put("apps/web/green", &three.address.to_string()).await;
    answers(&site, GREEN, "three").await;
    let status = site
        .told("the one that is held is told", |status| {
            (status["previews_left"] == json!({ &token: 1 })).then(|| status.clone())
        })
        .await;
    assert_eq!(status.get("draining"), None);
    site.two.let_go();
    assert_eq!(held.await.unwrap().unwrap().body, "two");
    site.told("it is over", |status| status.get("previews_left").is_none().then_some(())).await;
}

/// Writes `secret` as a key file that its group may read.
fn write_key(path: &std::path::Path, secret: u8) {
    std::fs::write(path, format!("{secret:02x}").repeat(32)).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
}

#[tokio::test]
async fn keys_are_read_again_at_a_signal_and_one_that_is_bad_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("preview.key");
    write_key(&path, 7);
    let settings = format!("[preview]\nkeys = [{path:?}]\n");
    let site = Site::with(&settings, r#","preview":{}"#).await;
    let token = site
        .told("green is shown", |status| {
            let mut targets = status["targets"].as_array()?.iter();
            let green = targets.find(|target| target["slot"] == json!("green"))?;
            let token = green["token"].as_str()?.to_owned();
            status["previews"].as_array()?.contains(&json!(token)).then_some(token)
        })
        .await;
    let by = async |secret: u8| {
        let key = PassKey::new(&[secret; 32]);
        let pass = key.issue(&"web".parse().unwrap(), &token.as_str().into(), MOST);
        let request = Request::get("/").header("host", HOST).header("x-shunt-preview", pass);
        let request = request.header("connection", "close").body(Full::default()).unwrap();
        let answer = ask::send(site.proxy.address(), request).await.unwrap();
        (answer.status.as_u16(), answer.body)
    };
    assert_eq!(by(7).await, (200, "two".to_owned()));
    assert_eq!(by(8).await.0, 403);
    std::fs::write(&path, "torn").unwrap();
    site.proxy.signal(Signal::HUP);
    until("it says so", async || {
        site.proxy.log().contains("the keys stay as they were").then_some(())
    })
    .await;
    assert_eq!(by(7).await.0, 200);
    write_key(&path, 8);
    site.proxy.signal(Signal::HUP);
    until("the new key is good", async || (by(8).await.0 == 200).then_some(())).await;
    assert_eq!(by(7).await.0, 403);
    assert_eq!(site.get("/").await.unwrap().body, "one");
    assert!(!site.proxy.log().contains("v1."), "a pass is in the log");
}
