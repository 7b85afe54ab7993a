//! Preview hosts: who has them, when a release is shown, and what is told of them.

use e2e::{ask, until};
use serde_json::json;

use crate::backend::Backend;
use crate::site::Site;

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
    let status =
        site.told("it is told", |status| status.get("previews_left").map(|_| status.clone())).await;
    assert_eq!(status["previews_left"], json!({ &token: 1 }));
    assert_eq!(status.get("draining"), None);
    site.two.let_go();
    assert_eq!(held.await.unwrap().unwrap().body, "two");
    site.told("it is over", |status| status.get("previews_left").is_none().then_some(())).await;
}
