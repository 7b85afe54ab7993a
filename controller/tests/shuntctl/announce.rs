//! `shuntctl announce`, with proxies that say what a test wants to hear.

use std::time::Duration;

use e2e::until;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::status::TargetState;

use crate::site::{Site, ended};
use crate::words::{Words, obedient};

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
async fn an_announcement_that_nobody_can_prove_is_no_success_unless_nobody_waits_for_it() {
    let site = Site::with_two_releases().await;
    let announce = ["announce", "web", "green", "127.0.0.1:9003"];
    site.run(&announce).await.ended_with(3).says("no proxy is known");
    site.run(&[&announce[..], &["--no-wait"]].concat()).await.ended_with(0);
    let proxy = Words::of("lb1", &site).await;
    site.delete(AppKey::App).await;
    site.run(&announce).await.ended_with(3).says("`apps/web/app` is missing");
    proxy.dies().await;
    site.run(&announce).await.ended_with(3).says("`apps/web/app` is missing");
}

#[tokio::test]
async fn a_slot_that_a_proxy_serves_is_not_announced_into_whatever_active_says() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let announce = ["announce", "web", "blue", "127.0.0.1:9003", "--no-wait"];
    let before = site.keys().await.slot(Slot::Blue).unwrap().token.clone();
    for active in ["blue", "bleu", ""] {
        match active {
            "" => site.delete(AppKey::Active).await,
            value => drop(site.put(AppKey::Active, value).await),
        }
        site.run(&announce).await.ended_with(2).says("`blue` of `web` gets requests now");
        assert_eq!(site.keys().await.slot(Slot::Blue).unwrap().token, before);
    }
    site.run(&[&announce[..], &["--force"]].concat()).await.ended_with(0);
}

#[tokio::test]
async fn what_an_announcement_replaces_is_kept_as_draining_until_it_is_retired() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    // It may have requests on what is replaced, and nobody can ask it.
    Words::of("lb2", &site).await.dies().await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    let keys = site.keys().await;
    let draining = keys.draining.get(&old).unwrap().ok().unwrap();
    assert_eq!(draining.release().unwrap().version.as_deref(), Some("1.1"));
    let serving = site.run(&["announce", "web", "blue", "127.0.0.1:9004"]).await;
    serving.ended_with(2).says("gets requests now");
    site.run(&["retire", "web"]).await.ended_with(5).says("lb2 is lost");
    site.run(&["proxy", "forget", "lb2"]).await.ended_with(0);
    site.run(&["retire", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert!(keys.draining.is_empty() && keys.slot(Slot::Green).is_none());
    assert_eq!(site.active().await, "blue");
}

#[tokio::test]
async fn an_announcement_that_makes_a_new_app_says_so_and_what_may_have_been_meant() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let slot = ["green", "127.0.0.1:9003", "--no-wait"];
    let run = site.run(&[&["announce", "wbe2"][..], &slot].concat()).await.ended_with(0);
    run.says("there was no app `wbe2`").says("did you mean `web`?").says("remove wbe2 --yes");
    for app in ["wbe2", "web"] {
        let run = site.run(&[&["announce", app][..], &slot].concat()).await.ended_with(0);
        assert!(!run.output.contains("there was no app"), "{}", run.output);
    }
    site.run(&["remove", "wbe2", "--yes"]).await.ended_with(0);
    let run = site.run(&["list"]).await.says("web");
    assert!(!run.output.contains("wbe2"), "{}", run.output);
}
