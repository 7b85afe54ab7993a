//! `hold`: what it does to requests, what is said of it, and how it ends.

use e2e::{ask, until};
use serde_json::{Value, json};

use crate::site::{HOST, Site};

/// The token of the release that serves.
async fn serving(site: &Site) -> String {
    site.told("blue serves", |status| status["serving"][0]["token"].as_str().map(str::to_owned))
        .await
}

/// Waits until the store is told of the hold that was put as `token`, in `state`.
async fn acknowledged(site: &Site, token: &str, state: &str) -> Value {
    site.told(&format!("it is acknowledged: {state}"), |status| {
        let hold = &status["hold"];
        (hold["token"] == json!(token) && hold["state"] == json!(state)).then(|| hold.clone())
    })
    .await
}

/// Waits until `n` requests wait.
async fn waiting(site: &Site, n: u32) {
    let series = r#"shunt_held_requests{app="web"}"#;
    until(&format!("{n} wait"), async || {
        (site.proxy.metric(series).await? == n.to_string()).then_some(())
    })
    .await;
}

async fn released(site: &Site) {
    site.told("requests go through", |status| status.get("hold").is_none().then_some(())).await;
}

const LONG: &str = r#"{"mode":"hold","for":"1h"}"#;

#[tokio::test]
async fn an_ack_of_a_hold_counts_what_is_left_down_to_nothing() {
    let site = Site::start().await;
    let blue = serving(&site).await;
    let in_flight = site.meanwhile("/hold");
    site.one.holds(1).await;
    let token = site.put("apps/web/hold", LONG).await;
    let hold = acknowledged(&site, &token, "stops").await;
    assert_eq!(hold["leases"], json!({ &blue: 1 }));
    let waits = site.meanwhile("/");
    site.told("one request waits", |status| (status["hold"]["waiting"] == json!(1)).then_some(()))
        .await;
    site.one.let_go();
    assert_eq!(in_flight.await.unwrap().unwrap().body, "one");
    site.told("nothing is left", |status| status["hold"].get("leases").is_none().then_some(()))
        .await;
    assert!(!waits.is_finished());
    // Checks go on, and so does a flip; neither lets anybody through.
    site.put("apps/web/active", "green").await;
    site.told("green serves", |status| {
        (status["serving"][0]["slot"] == json!("green")).then_some(())
    })
    .await;
    waiting(&site, 1).await;
    site.store.delete("apps/web/hold").await;
    assert_eq!(waits.await.unwrap().unwrap().body, "two", "it goes to what serves then");
    released(&site).await;
    let count = site.proxy.metric(r#"shunt_held_requests_released_total{app="web"}"#).await;
    assert_eq!(count.as_deref(), Some("1"));
    assert_eq!(site.proxy.metric(r#"shunt_hold{app="web",mode="hold"}"#).await, None);
}

#[tokio::test]
async fn when_its_time_is_over_requests_go_through_or_are_refused_as_it_says() {
    let site = Site::start().await;
    let token = site.put("apps/web/hold", r#"{"mode":"hold","for":"500ms"}"#).await;
    let waits = site.meanwhile("/");
    assert_eq!(waits.await.unwrap().unwrap().body, "one");
    acknowledged(&site, &token, "over").await;
    assert_eq!(site.get("/").await.unwrap().body, "one");
    let gauge = site.proxy.metric(r#"shunt_hold{app="web",mode="hold"}"#).await;
    assert_eq!(gauge.as_deref(), Some("0"));

    let refuse = r#"{"mode":"hold","for":"6s","then":"refuse","message":"in a minute"}"#;
    let token = site.put("apps/web/hold", refuse).await;
    acknowledged(&site, &token, "stops").await;
    let waits = site.meanwhile("/");
    waiting(&site, 1).await;
    let answer = waits.await.unwrap().unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after") && answer.body.contains("in a minute"));
    acknowledged(&site, &token, "refuses").await;
    assert_eq!(site.get("/").await.unwrap().status, 503);
    let refused = site.proxy.metric(r#"shunt_hold_refusals_total{app="web",reason="expired"}"#);
    assert_eq!(refused.await.as_deref(), Some("2"));
    site.store.delete("apps/web/hold").await;
    site.answers("one").await;
}

#[tokio::test]
async fn maintenance_is_told_to_all_but_the_health_path_until_it_is_over() {
    let site = Site::with("[front]\nhealth = \"/alive\"\n", "").await;
    let token =
        site.put("apps/web/hold", r#"{"mode":"maintenance","message":"moving","for":"10m"}"#).await;
    acknowledged(&site, &token, "stops").await;
    let answer = site.get("/").await.unwrap();
    let left: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(answer.status == 503 && (60..=600).contains(&left), "{left}");
    assert!(answer.body.contains("moving"), "{}", answer.body);
    assert_eq!(ask::get(site.proxy.address(), "any", "/alive").await.unwrap().status, 200);
    site.told("targets are checked", |status| {
        (status["targets"][0]["state"] == json!("healthy")).then_some(())
    })
    .await;
    site.put("apps/web/hold", r#"{"mode":"maintenance","allow":["127.0.0.0/8"]}"#).await;
    site.answers("one").await;
    site.put("apps/web/hold", r#"{"mode":"maintenance","for":"1ms"}"#).await;
    site.answers("one").await;
}

#[tokio::test]
async fn a_bad_value_is_refused_and_the_last_good_one_stays() {
    let site = Site::start().await;
    let good = site.put("apps/web/hold", LONG).await;
    acknowledged(&site, &good, "stops").await;
    let waits = site.meanwhile("/");
    waiting(&site, 1).await;
    let bad = site.put("apps/web/hold", r#"{"mode":"holt"}"#).await;
    site.told("it is refused", |status| {
        let refused = &status["refused"][0];
        (refused["token"] == json!(bad) && status["hold"]["token"] == json!(good)).then_some(())
    })
    .await;
    assert!(!waits.is_finished());
    site.store.delete("apps/web/hold").await;
    assert_eq!(waits.await.unwrap().unwrap().body, "one");
}

#[tokio::test]
async fn a_restart_goes_on_holding_and_ends_it_in_time_though_the_store_is_away() {
    let mut site = Site::start().await;
    let token = site.put("apps/web/hold", r#"{"mode":"hold","for":"20s"}"#).await;
    acknowledged(&site, &token, "stops").await;
    site.proxy.kill().await;
    let text = std::fs::read_to_string(site.proxy.file()).unwrap();
    let (top, _) = text.split_once("[store]").unwrap();
    let nobody = e2e::Port::free();
    let away = format!("{top}[store]\netcd = [\"http://{}\"]\n", nobody.address());
    std::fs::write(site.proxy.file(), away).unwrap();
    site.proxy.run();
    until("it is there", async || site.proxy.ask("/healthz").await.ok()).await;
    let held = site.proxy.status().await["apps"]["web"]["hold"].clone();
    assert_eq!((&held["token"], &held["state"]), (&json!(token), &json!("stops")));
    let waits = tokio::spawn(ask::get(site.proxy.address(), HOST, "/"));
    waiting(&site, 1).await;
    assert_eq!(waits.await.unwrap().unwrap().body, "one", "at the end of its time");
    let over = site.proxy.status().await["apps"]["web"]["hold"]["state"].clone();
    assert_eq!(over, json!("over"));
}
