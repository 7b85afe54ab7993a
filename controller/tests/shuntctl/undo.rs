//! `shuntctl undo` without a deploy.

use std::time::Duration;

use e2e::until;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Stage};
use shunt_config::store::{LEASE_TTL, Txn};
use shunt_config::{Active, Slot};

use crate::retire::warm_record;
use crate::site::{Site, ended};
use crate::words::{Words, obedient};

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
    site.put(AppKey::Active, "gren").await;
    site.run(&["undo", "web"]).await.ended_with(2).says("`apps/web/active` cannot be read");
}

/// Who tries a release with a tenth of the requests and finds it bad wants none of them there.
#[tokio::test]
async fn undo_of_a_split_goes_back_to_what_was_active_before_it() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["flip", "web", "blue:90,green:10"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0).says("undid 1.1");
    assert_eq!(site.active().await, "blue");
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue:90,green:10");
    // And what a split is undone from is a split again.
    site.run(&["flip", "web", "green"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue:90,green:10");
}

#[tokio::test]
async fn a_split_that_nobody_remembers_is_undone_to_the_release_that_gets_the_most() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    for (split, main) in [("blue:90,green:10", "blue"), ("blue:10,green:90", "green")] {
        site.put(AppKey::Active, split).await;
        site.run(&["undo", "web"]).await.ended_with(0);
        assert_eq!(site.active().await, main);
    }
    site.put(AppKey::Active, "blue:90,green:10").await;
    site.run(&["flip", "web"]).await.ended_with(2).says("both slots of `web` get requests");
}

#[tokio::test]
async fn the_same_flip_once_more_is_not_what_undo_goes_back_to() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let flip = ["flip", "web", "green", "--timeout", "100ms"];
    site.run(&flip).await.ended_with(5).says("shuntctl undo");
    site.run(&flip).await.ended_with(5);
    let _proxy = proxy.obeys();
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn undo_goes_to_no_release_that_nobody_saw_active() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    // 1.1 was announced and never flipped to.
    let before = site.everything().await;
    site.run(&["undo", "web"]).await.ended_with(2).says("shuntctl flip web green");
    assert_eq!(site.everything().await, before);
    // Nor is another release in the slot of the one that was.
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["announce", "web", "blue", "127.0.0.1:9003"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(2).says("was active before");
    assert_eq!(site.active().await, "green");
}

#[tokio::test]
async fn undo_after_announcing_and_flipping_by_hand_goes_back() {
    let site = Site::empty();
    site.put(AppKey::App, r#"{"hosts":["www.example.com"]}"#).await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    for (slot, port) in [("blue", "127.0.0.1:9001"), ("green", "127.0.0.1:9002")] {
        site.run(&["announce", "web", slot, port]).await.ended_with(0);
        site.run(&["flip", "web", slot]).await.ended_with(0);
    }
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
}

/// Flips without `shuntctl` leave no history; a proxy that still has requests there tells.
#[tokio::test]
async fn a_proxy_that_has_requests_on_a_release_proves_that_it_was_active() {
    let site = Site::with_two_releases().await;
    let blue = site.keys().await.slot(Slot::Blue).unwrap().token.clone();
    let proxy = Words::of("lb1", &site).await;
    site.put(AppKey::Active, "green").await;
    proxy.serves_what_is_asked().await;
    site.run(&["undo", "web"]).await.ended_with(2).says("shuntctl flip web blue");
    let mut status = obedient(&site.keys().await);
    status.draining.insert(blue.clone(), 1);
    proxy.says(&status).await;
    let _proxy = proxy.obeys_but(move |keys, mut status| {
        if keys.active() == Some(Active::all(Slot::Green)) {
            status.draining.insert(blue.clone(), 1);
        }
        Some(status)
    });
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
}

/// The record of the last deploy says where *that* came from, and nothing of what came after it.
#[tokio::test]
async fn a_flip_by_hand_after_a_deploy_is_what_undo_undoes() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let green = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.put(AppKey::Deploy, &warm_record(&green, "1s")).await;
    site.run(&["flip", "web", "blue:90,green:10"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
    // A split that nobody wrote down is no reason to go to the release of before the deploy.
    site.put(AppKey::Active, "blue:90,green:10").await;
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn a_deploy_is_undone_and_undone_again_by_its_record() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let green = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.put(AppKey::Deploy, &warm_record(&green, "1s")).await;
    for (active, previous) in [("green", Slot::Blue), ("blue", Slot::Green)] {
        site.run(&["undo", "web"]).await.ended_with(0);
        let keys = site.keys().await;
        assert_eq!(site.active().await, active);
        assert_eq!(keys.record().unwrap().previous.as_ref().unwrap().slot, previous);
    }
}

#[tokio::test]
async fn what_is_announced_again_with_its_version_and_targets_is_the_release_it_was() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["flip", "web"]).await.ended_with(0);
    let announce = ["announce", "web", "blue"];
    site.run(&[&announce[..], &["127.0.0.1:9003", "--release", "1.2"]].concat())
        .await
        .ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(2);
    site.run(&[&announce[..], &["127.0.0.1:9001"]].concat()).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(2);
    site.run(&[&announce[..], &["127.0.0.1:9001", "--release", "1.0"]].concat())
        .await
        .ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0);
    assert_eq!(site.active().await, "blue");
}

/// A lock stands for a while after its holder was killed. Nothing is left to a process that is not there.
#[tokio::test]
async fn undo_takes_back_itself_what_a_controller_that_is_gone_has_begun() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let record = Deploy::parse(warm_record(&old, "1s").as_bytes()).unwrap();
    let record = Deploy { stage: Stage::Preparing, slot: Slot::Green, previous: None, ..record };
    let record = serde_json::to_string(&record).unwrap();
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    let begun = async || {
        let session = site.store.session(LEASE_TTL).await.unwrap();
        let key = AppKey::Lock.of(&site.app);
        session.commit(Txn::new().put_leased(&key, lock)).await.unwrap();
        site.put(AppKey::Deploy, &record).await;
        let undo = site.start(&["undo", "web"]);
        let asked = async || site.keys().await.record()?.undo.clone();
        until("the deploy is told to stop", asked).await;
        (session, undo)
    };
    let (session, mut undo) = begun().await;
    let waits = tokio::time::timeout(Duration::from_millis(300), undo.wait()).await;
    assert!(waits.is_err(), "it leaves the rest to whoever holds the lock");
    session.close().await.unwrap();
    ended(undo).await.ended_with(0).says("is undone");
    assert!(site.keys().await.deploy.is_none());

    // One that lives writes on.
    let (session, undo) = begun().await;
    site.put(AppKey::Deploy, &site.keys().await.deploy.unwrap().text()).await;
    ended(undo).await.ended_with(0).says("ben@ci-7 (pid 42)").says("takes back the rest");
    session.close().await.unwrap();
}
