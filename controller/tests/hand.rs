//! The verbs for people who bring their own deploy script: no engine is needed.

mod support;

use std::time::Duration;

use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::HISTORY_KEPT;
use shunt_config::status::TargetState;
use shunt_config::store::{LEASE_TTL, Txn};

use e2e::until;
use support::{Site, Words, ended, obedient, refusal};

/// Waits until `active` reads `wanted`.
async fn flipped_to(site: &Site, wanted: &str) {
    until("the flip", async || (site.active().await == wanted).then_some(())).await;
}

#[tokio::test]
async fn without_any_proxy_a_flip_is_an_error_and_changes_nothing() {
    let site = Site::with_two_releases().await;
    let before = site.everything().await;
    site.run(&["flip", "web"]).await.ended_with(3).says("no proxy is known");
    Words::of("lb1", &site).await.dies().await;
    site.run(&["flip", "web"]).await.ended_with(3).says("lb1");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_flip_ends_when_every_live_proxy_serves_it_and_not_before() {
    let site = Site::with_two_releases().await;
    let (one, two) = (Words::of("lb1", &site).await, Words::of("lb2", &site).await);
    one.serves_what_is_asked().await;
    two.serves_what_is_asked().await;
    let mut flip = site.start(&["flip", "web", "--json"]);
    flipped_to(&site, "green").await;
    one.serves_what_is_asked().await;
    let waits = tokio::time::timeout(Duration::from_millis(300), flip.wait()).await;
    assert!(waits.is_err(), "it did not wait for lb2");
    two.serves_what_is_asked().await;
    let run = ended(flip).await.ended_with(0).says("waiting for lb2");
    assert_eq!(run.json()["exit"], 0);
}

#[tokio::test]
async fn an_ack_of_an_earlier_flip_to_the_same_slot_does_not_count() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    site.put(AppKey::Active, "green").await;
    proxy.serves_what_is_asked().await;
    site.put(AppKey::Active, "blue").await;
    // The proxy has not yet seen the way back when it is flipped again: it says "green" still.
    let run = site.run(&["flip", "web", "green", "--timeout", "1s"]).await;
    run.ended_with(5).says("not acknowledged in time").says("lb1");
    assert_eq!(site.active().await, "green");
}

#[tokio::test]
async fn a_refusal_is_told_with_proxy_and_reason_and_a_flip_by_hand_stays() {
    let site = Site::with_two_releases().await;
    let (one, two) = (Words::of("lb1", &site).await, Words::of("lb2", &site).await);
    one.serves_what_is_asked().await;
    two.serves_what_is_asked().await;
    let flip = site.start(&["flip", "web", "green"]);
    flipped_to(&site, "green").await;
    one.serves_what_is_asked().await;
    let keys = site.keys().await;
    let token = keys.active.unwrap().token;
    let refused = refusal("apps/web/active", &token, "127.0.0.1:9002: connection refused");
    let before = obedient(&site.keys().await);
    two.says(&shunt_config::status::AppStatus {
        active: None,
        serving: vec![],
        refused: vec![refused],
        ..before
    })
    .await;
    let run = ended(flip).await.ended_with(5);
    run.says("lb2: 127.0.0.1:9002: connection refused").says("shuntctl undo");
    assert_eq!(site.active().await, "green");
    site.run(&["status", "web"]).await.ended_with(0).says("connection refused");
}

#[tokio::test]
async fn a_lost_proxy_does_not_hold_up_a_flip_and_does_hold_up_its_drain() {
    let site = Site::with_two_releases().await;
    let alive = Words::of("lb1", &site).await;
    alive.serves_what_is_asked().await;
    Words::of("lb2", &site).await.dies().await;
    let _alive = alive.obeys();
    site.run(&["flip", "web"]).await.ended_with(0).says("lost: lb2");
    let drain = ["flip", "web", "blue", "--wait", "drained", "--timeout", "1s"];
    site.run(&drain).await.ended_with(5).says("lb2");
    site.run(&["proxy", "list"]).await.ended_with(0).says("lost");
    site.run(&["proxy", "forget", "lb1"]).await.ended_with(2).says("live");
    site.run(&["proxy", "forget", "lb2"]).await.ended_with(0);
    site.run(&["flip", "web", "--wait", "drained"])
        .await
        .ended_with(0)
        .says("no proxy has a request");
}

#[tokio::test]
async fn a_drain_waits_for_the_last_request_on_the_old_release() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let old = site.keys().await.slot(Slot::Blue).unwrap().token.clone();
    let mut flip = site.start(&["flip", "web", "--wait", "drained", "--json"]);
    flipped_to(&site, "green").await;
    let mut status = obedient(&site.keys().await);
    status.draining.insert(old, 1);
    proxy.says(&status).await;
    let waits = tokio::time::timeout(Duration::from_millis(300), flip.wait()).await;
    assert!(waits.is_err(), "it did not wait for the request");
    status.draining.clear();
    proxy.says(&status).await;
    ended(flip).await.ended_with(0).says("1 request on lb1");
}

#[tokio::test]
async fn a_flip_that_someone_else_overrides_ends_as_superseded() {
    let site = Site::with_two_releases().await;
    Words::of("lb1", &site).await.serves_what_is_asked().await;
    let proxy = Words::of("lb2", &site).await;
    proxy.serves_what_is_asked().await;
    let flip = site.start(&["flip", "web", "green"]);
    flipped_to(&site, "green").await;
    site.put(AppKey::Active, "blue").await;
    ended(flip).await.ended_with(8).says("put again");
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn what_another_has_locked_is_not_flipped_or_announced() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    let key = AppKey::Lock.of(&site.app);
    session.commit(Txn::new().put_leased(&key, lock)).await.unwrap();
    let before = site.everything().await;
    site.run(&["flip", "web"]).await.ended_with(4).says("ben@ci-7 (pid 42)").says("--lock-wait");
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(4);
    assert_eq!(site.everything().await, before);
    // Going back needs no free lock.
    site.run(&["undo", "web"]).await.ended_with(0).says("goes back to green");
    session.close().await.unwrap();
    site.run(&["flip", "web"]).await.ended_with(0);
}

#[tokio::test]
async fn undo_goes_to_the_other_release_and_back_again() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0).says("undid 1.1");
    assert_eq!(site.active().await, "blue");
    site.run(&["undo", "web"]).await.ended_with(0).says("undid 1.0");
    assert_eq!(site.active().await, "green");
    site.delete(AppKey::Slot(Slot::Blue)).await;
    site.run(&["undo", "web"]).await.ended_with(2).says("`blue` is empty");
    assert_eq!(site.active().await, "green");
}

#[tokio::test]
async fn a_flip_to_an_empty_or_broken_slot_is_refused_before_it_is_written() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.put(AppKey::Slot(Slot::Green), "nonsense").await;
    site.run(&["flip", "web", "green"]).await.ended_with(2).says("port is missing");
    site.delete(AppKey::Slot(Slot::Green)).await;
    site.run(&["flip", "web", "green"]).await.ended_with(2).says("shuntctl announce web green");
    site.run(&["flip", "web", "blue:50,green:50"]).await.ended_with(2);
    site.run(&["flip", "web", "gren"]).await.ended_with(2).says("did you mean `green`?");
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn an_announcement_ends_when_every_live_proxy_has_proved_it() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let announce = ["announce", "web", "green", "127.0.0.1:9003", "--release", "1.2"];
    let unproved = site.run(&[&announce[..], &["--timeout", "1s"]].concat()).await;
    unproved.ended_with(3).says("127.0.0.1:9003 from lb1: not probed yet");
    assert_eq!(site.active().await, "blue", "traffic is as it was");

    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let child = site.start(&announce);
    until("the announcement", async || {
        (site.keys().await.slot(Slot::Green).unwrap().token != old).then_some(())
    })
    .await;
    let mut status = obedient(&site.keys().await);
    let target = status.targets.iter_mut().find(|target| target.slot == Slot::Green).unwrap();
    (target.state, target.last) = (TargetState::Unproved, "connection refused".into());
    proxy.says(&status).await;
    let mut child = child;
    let waits = tokio::time::timeout(Duration::from_millis(300), child.wait()).await;
    assert!(waits.is_err(), "it did not wait for the proof");
    proxy.serves_what_is_asked().await;
    ended(child).await.ended_with(0).says("by lb1");
}

#[tokio::test]
async fn what_an_announcement_replaces_is_kept_as_draining_until_it_is_retired() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    let keys = site.keys().await;
    let draining = keys.draining.get(&old).unwrap().ok().unwrap();
    assert_eq!(draining.release().unwrap().version.as_deref(), Some("1.1"));
    let serving = site.run(&["announce", "web", "blue", "127.0.0.1:9004"]).await;
    serving.ended_with(2).says("gets requests now");
    site.run(&["retire", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert!(keys.draining.is_empty() && keys.slot(Slot::Green).is_none());
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn a_release_with_requests_or_an_unsure_proxy_is_not_retired() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    // It has not acknowledged the active slot, so it may serve anything.
    site.put(AppKey::Deploy, &warm_record(&old, "1s")).await;
    site.run(&["retire", "web"]).await.ended_with(5).says("lb1");
    assert!(site.keys().await.draining.contains_key(&old));
    let file =
        "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n[deploy]\ndrain_timeout = \"1s\"\n";
    site.write("shunt.toml", file);
    let mut status = obedient(&site.keys().await);
    status.draining.insert(old.clone(), 3);
    proxy.says(&status).await;
    site.run(&["retire", "web"]).await.ended_with(5).says("3 requests on lb1");
    status.draining.clear();
    proxy.says(&status).await;
    site.run(&["retire", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn a_lost_proxy_keeps_a_release_until_it_was_missed_for_long_enough() {
    let site = Site::with_two_releases().await;
    let alive = Words::of("lb1", &site).await;
    alive.serves_what_is_asked().await;
    let _alive = alive.obeys();
    Words::of("lb2", &site).await.dies().await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.put(AppKey::Deploy, &warm_record(&old, "2s")).await;
    site.run(&["retire", "web"]).await.ended_with(5).says("lb2 is lost for");
    site.run(&["status", "web"]).await.ended_with(0).says("lb2 is missed for");
    // The count goes on over runs. What was 2 s in the record is the usual 15 min without it.
    let keys = site.keys().await;
    let noted = keys.draining.get(&old).unwrap().ok().unwrap();
    assert_eq!(noted.lost.len(), 1);
    let mut past = noted.clone();
    past.lost.values_mut().for_each(|since| {
        *since = since.checked_sub(jiff::SignedDuration::from_mins(16)).unwrap();
    });
    site.put(AppKey::Draining(old.clone()), &serde_json::to_string(&past).unwrap()).await;
    site.run(&["retire", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

/// A deploy's record that keeps the release `old` in green warm.
fn warm_record(old: &shunt_config::Token, drain: &str) -> String {
    format!(
        r#"{{"id":"20260101T000000-00000001","who":{{"user":"ann","host":"ci-7","pid":1}},
        "began":"2026-01-01T00:00:00Z","slot":"blue","stage":"warm","plan":[],"before":{{}},
        "limits":{{"health":"1m","flip":"1m","drain":"{drain}","warm":"1m","lost":"15m","stop":"1s"}},
        "previous":{{"slot":"green","token":"{old}"}}}}"#
    )
}

#[tokio::test]
async fn status_names_bad_values_unknown_keys_and_who_differs() {
    let site = Site::with_two_releases().await;
    Words::of("lb1", &site).await.serves_what_is_asked().await;
    site.put(AppKey::Active, "gren").await;
    let key = "apps/web/aktive";
    site.store.commit(Txn::new().put(key, "green")).await.unwrap();
    let run = site.run(&["status", "web"]).await.ended_with(0);
    let run = run.says("did you mean `green`?").says("did you mean `active`?");
    assert!(run.output.contains("lb1"));
    let json = site.run(&["status", "web", "--json"]).await.ended_with(0).json();
    assert_eq!(json["active"], "gren");
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);
    site.run(&["status", "shop"]).await.ended_with(2).says("no app `shop`");
}

#[tokio::test]
async fn the_last_fifty_entries_of_history_are_kept() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let _proxy = proxy.obeys();
    let entry = r#"{"verb":"flip","who":{"user":"ann","host":"ci-7","pid":1},
        "began":"2026-01-01T00:00:00Z","ended":"2026-01-01T00:00:01Z","outcome":"done"}"#;
    for i in 0..60 {
        site.put(AppKey::History(format!("20260101T000000-{i:08}")), entry).await;
    }
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert_eq!(keys.history.len(), HISTORY_KEPT);
    let run = site.run(&["history", "web", "--limit", "2"]).await.ended_with(0).says("ann");
    assert!(run.output.contains("undo") && run.output.contains("flip"), "{}", run.output);
}

#[tokio::test]
async fn an_app_is_removed_after_every_proxy_has_dropped_it() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    site.run(&["remove", "web"]).await.ended_with(2).says("--yes");
    let mut remove = site.start(&["remove", "web", "--yes"]);
    until("the app's settings are gone", async || site.keys().await.app.is_none().then_some(()))
        .await;
    let waits = tokio::time::timeout(Duration::from_millis(300), remove.wait()).await;
    assert!(waits.is_err(), "it did not wait for lb1");
    assert!(site.keys().await.slot(Slot::Blue).is_some());
    let _proxy = proxy.obeys();
    ended(remove).await.ended_with(0);
    let left = site.everything().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.starts_with("apps/web/history/"));
    site.run(&["list"]).await.ended_with(0).says("no apps");
    site.run(&["remove", "web", "--yes"]).await.ended_with(2).says("no app `web`");
}

#[tokio::test]
async fn a_lost_store_is_told_with_its_own_code() {
    let site = Site::empty();
    let nobody = ["--store", "http://127.0.0.1:1", "list"];
    site.run(&nobody).await.ended_with(7).says("127.0.0.1:1");
    site.run(&["--store", "relative", "list"]).await.ended_with(2);
}
