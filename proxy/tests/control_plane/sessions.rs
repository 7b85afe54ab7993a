//! Visitors who stay on a release, from its keys to its requests, and what is told of them.

use e2e::until;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shunt_config::store::Txn;

use crate::backend::Backend;
use crate::site::Site;
use crate::snapshot::without_store;
use crate::spread::{set, visit};

const SESSIONS: &str = r#","sticky":"slot","sessions":{"idle":"1h","deadline":"8h"}"#;

/// The announcement that serves.
async fn serving(site: &Site) -> String {
    site.told("something serves", |status| {
        status["serving"][0]["token"].as_str().map(str::to_owned)
    })
    .await
}

/// Flips, and waits until that is applied; returns the announcement that was flipped away from.
async fn flip(site: &Site, slot: &str) -> String {
    let old = serving(site).await;
    let active = site.put("apps/web/active", slot).await;
    site.told("the flip is applied", |status| (status["active"] == json!(active)).then_some(()))
        .await;
    old
}

/// What is under `draining/` of the release at `target`, where visitors may stay for so many seconds.
fn entry(target: &Backend, seconds: Option<i64>) -> String {
    let now = Timestamp::now();
    let mut entry = json!({ "slot": "blue", "value": target.address.to_string(), "since": now });
    if let Some(seconds) = seconds {
        entry["sessions"] = json!(now + SignedDuration::from_secs(seconds));
    }
    entry.to_string()
}

/// A new visitor's cookie, and where it was.
async fn arrive(site: &Site) -> (String, String) {
    let answer = visit(&site.proxy, "").await;
    (set(&answer).unwrap(), answer.body)
}

async fn is_at(site: &Site, cookie: &str) -> String {
    visit(&site.proxy, cookie).await.body
}

/// What is told of who stays on the release announced as `token`, once `wanted` is so.
async fn stays(site: &Site, token: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    site.told(what, |status| {
        let stays = &status["sessions"][token];
        (!stays.is_null() && wanted(stays)).then(|| stays.clone())
    })
    .await
}

#[tokio::test]
async fn visitors_of_each_release_stay_until_its_entry_says_that_nobody_does() {
    let site = Site::with("", SESSIONS).await;
    let three = Backend::start("three").await;
    let (first, at) = arrive(&site).await;
    assert_eq!(at, "one");
    let one = flip(&site, "green").await;
    let told = stays(&site, &one, "it is kept", |_| true).await;
    assert_eq!((&told["slot"], &told["visitors"]), (&json!("blue"), &json!(0)), "{told}");
    assert!(told["more_until"].is_string(), "who has a cookie may come back: {told}");
    let (second, at) = arrive(&site).await;
    assert_eq!((at.as_str(), is_at(&site, &first).await.as_str()), ("two", "one"));
    stays(&site, &one, "it came back", |stays| stays["visitors"] == json!(1)).await;
    let metric = r#"shunt_sessions{app="web",slot="blue"}"#;
    assert_eq!(site.proxy.metric(metric).await.as_deref(), Some("1"));

    // The next release takes its slot.
    let key = format!("apps/web/draining/{one}");
    let txn = Txn::new()
        .put(key.as_str(), entry(&site.one, Some(3600)))
        .put("apps/web/blue", three.address.to_string());
    site.commit(txn).await;
    let two = flip(&site, "blue").await;
    site.answers("three").await;
    assert_eq!([is_at(&site, &first).await, is_at(&site, &second).await], ["one", "two"]);
    let told = stays(&site, &one, "both are kept", |_| true).await;
    assert_eq!(told["visitors"], json!(1), "in its slot or not: {told}");
    stays(&site, &two, "both are kept", |_| true).await;

    // Its last visitor has to go.
    site.put(&key, &entry(&site.one, None)).await;
    site.told("nobody stays on the first", |status| {
        (status["sessions"].get(&one).is_none() && status.get("draining").is_none()).then_some(())
    })
    .await;
    let moved = visit(&site.proxy, &first).await;
    assert_eq!(moved.body, "three");
    assert_eq!(is_at(&site, &set(&moved).unwrap()).await, "three");
    assert_eq!(is_at(&site, &second).await, "two");
    site.store.delete("apps/web/green").await;
    site.told("nor on the second", |status| status.get("sessions").is_none().then_some(())).await;
    assert_eq!(is_at(&site, &second).await, "three");
}

#[tokio::test]
async fn visitors_stay_through_a_restart_with_and_without_the_store_until_the_deadline() {
    let mut site = Site::with("", SESSIONS).await;
    let three = Backend::start("three").await;
    let (first, _) = arrive(&site).await;
    let one = flip(&site, "green").await;
    let key = format!("apps/web/draining/{one}");
    let txn = Txn::new()
        .put(key.as_str(), entry(&site.one, Some(3600)))
        .put("apps/web/blue", three.address.to_string());
    site.commit(txn).await;
    site.told("three is proved, so all before is saved", |status| {
        let address = json!(three.address.to_string());
        let targets = status["targets"].as_array()?;
        let target = targets.iter().find(|target| target["address"] == address)?;
        (target["state"] == json!("healthy")).then_some(())
    })
    .await;
    let file = std::fs::read_to_string(site.proxy.file()).unwrap();
    site.proxy.kill().await;
    without_store(&mut site).await;
    assert_eq!(is_at(&site, &first).await, "one");
    assert_eq!(arrive(&site).await.1, "two");
    site.proxy.stop().await;
    std::fs::write(site.proxy.file(), file).unwrap();
    site.proxy.run();
    site.proxy.ready().await;
    assert_eq!(is_at(&site, &first).await, "one");
    let told = until("it is counted", async || {
        // The store may hold the last words of the process that was killed as well.
        let stays = site.proxy.status().await["apps"]["web"]["sessions"][&one].clone();
        (stays["visitors"] == json!(1)).then_some(stays)
    })
    .await;
    assert!(told["more_until"].is_string(), "others were seen before it began: {told}");

    site.put(&key, &entry(&site.one, Some(1))).await;
    until("its visitors have to go", async || (is_at(&site, &first).await == "two").then_some(()))
        .await;
    assert!(site.proxy.log().contains("its visitors stay no more"), "{}", site.proxy.log());
}

#[tokio::test]
async fn a_proxy_that_never_saw_a_release_serve_keeps_the_visitors_of_another_that_did() {
    let site = Site::with("", SESSIONS).await;
    let (first, _) = arrive(&site).await;
    flip(&site, "green").await;
    let mut other = e2e::Proxy::configured("lb2", "", &site.store.section());
    let key = "cookie.key";
    std::fs::create_dir_all(other.state()).unwrap();
    std::fs::copy(site.proxy.state().join(key), other.state().join(key)).unwrap();
    other.run();
    other.ready().await;
    until("its checks have passed", async || {
        (visit(&other, &first).await.body == "one").then_some(())
    })
    .await;
    assert_eq!(visit(&other, "").await.body, "two");
}

#[tokio::test]
async fn more_releases_than_may_be_kept_cost_the_oldest_their_visitors_and_nothing_else() {
    let site = Site::with("", SESSIONS).await;
    let (first, _) = arrive(&site).await;
    flip(&site, "green").await;
    let put = |txn: Txn, n: i64| {
        let key = format!("apps/web/draining/old-{n}");
        txn.put(key.as_str(), entry(&site.one, Some(3600 + n)))
    };
    site.commit((1..=9).fold(Txn::new(), put)).await;
    let refused = site
        .told("those that are too many are named", |status| {
            let refused = status["refused"].as_array()?;
            (refused.len() == 4).then(|| status["refused"].to_string())
        })
        .await;
    assert!(refused.contains("draining/old-4") && !refused.contains("old-5"), "{refused}");
    assert!(refused.contains("6 releases before it at most"), "{refused}");
    assert_eq!(site.get("/").await.unwrap().body, "two");
    assert_eq!(is_at(&site, &first).await, "one", "its own is the youngest");
}

#[tokio::test]
async fn a_kept_release_that_fails_after_a_restart_is_not_flipped_to_until_it_passes() {
    let mut site = Site::with("", SESSIONS).await;
    flip(&site, "green").await;
    site.proxy.stop().await;
    site.one.set_up(503);
    site.put("apps/web/active", "blue").await;
    site.proxy.run();
    site.proxy.ready().await;
    site.told("the flip waits", |status| status["pending"]["reason"].as_str().map(drop)).await;
    assert_eq!(site.get("/").await.unwrap().body, "two");
    site.one.set_up(200);
    site.answers("one").await;
}
