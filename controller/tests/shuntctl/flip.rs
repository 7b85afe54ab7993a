//! `shuntctl flip`, with proxies that say what a test wants to hear.

use std::time::Duration;

use e2e::until;
use rustix::process::Signal;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::status::AppStatus;

use crate::site::{Site, ended};
use crate::words::{Words, obedient, refusal};

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
    two.says(&AppStatus { active: None, serving: vec![], refused: vec![refused], ..before }).await;
    let run = ended(flip).await.ended_with(5);
    run.says("lb2: 127.0.0.1:9002: connection refused").says("shuntctl undo");
    assert_eq!(site.active().await, "green");
    site.run(&["status", "web"]).await.ended_with(0).says("connection refused");
    site.run(&["history", "web"]).await.says("unacknowledged").says("refused by lb2");
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
    site.run(&["history", "web"]).await.ended_with(0).says("superseded");
    assert_eq!(site.active().await, "blue");
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

/// What was written stays, so that is what whoever stops the waiting has to know.
#[tokio::test]
async fn who_stops_waiting_is_told_what_stands_and_how_to_go_back() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let verbs: [(&[&str], AppKey, &str); 6] = [
        (
            &["flip", "web", "green"],
            AppKey::Active,
            "the flip stands; `shuntctl undo web` goes back",
        ),
        (&["undo", "web"], AppKey::Active, "the undo stands"),
        (&["hold", "web"], AppKey::Hold, "`shuntctl release web` ends that"),
        (&["release", "web"], AppKey::Hold, "requests of `web` are to go through all the same"),
        (&["maintenance", "web", "on"], AppKey::Hold, "`shuntctl maintenance web off` ends that"),
        (
            &["announce", "web", "green", "127.0.0.1:9003"],
            AppKey::Slot(Slot::Green),
            "the release stays announced",
        ),
    ];
    for (verb, key, hint) in verbs {
        let value = async || {
            let view = site.store.read("apps/").await.unwrap();
            view.entries.get(&key.clone().of(&site.app).to_string()).map(|e| e.token.clone())
        };
        proxy.serves_what_is_asked().await;
        let before = value().await;
        let mut run = site.begin(&[verb, &["--json"][..]].concat(), None);
        // What it waits for is its last line.
        until("it waits", async || run.log().contains("\"progress\"").then_some(())).await;
        let written = value().await;
        assert_ne!(written, before, "{verb:?}");
        run.signal(Signal::INT);
        assert_eq!(run.ended().await.code(), Some(5), "{verb:?}: {}", run.log());
        let log = run.log();
        let end: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(end["event"], "end", "{verb:?}: {log}");
        assert_eq!(end["exit"], 5, "{verb:?}: {log}");
        assert!(end["hint"].as_str().unwrap().contains(hint), "{verb:?}: {end}");
        assert_eq!(value().await, written, "{verb:?}");
    }
}
