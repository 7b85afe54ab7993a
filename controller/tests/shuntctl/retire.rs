//! `shuntctl retire`: what may be stopped, and what may not be yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::until;
use shunt_config::command::Command;
use shunt_config::key::AppKey;
use shunt_config::record::{Draining, Finish};
use shunt_config::status::AppStatus;
use shunt_config::{Active, Slot};

use crate::site::Site;
use crate::words::{Words, obedient, refusal};

#[tokio::test]
async fn a_release_with_requests_or_an_unsure_proxy_is_not_retired() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    // It has not acknowledged the active slot, so it may serve anything.
    site.put(AppKey::Deploy, &warm_record(&old, "1s")).await;
    site.run(&["retire", "web"]).await.ended_with(5).says("lb1");
    assert!(site.keys().await.draining.contains_key(&old));
    site.write("shunt.toml", QUICK);
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
    site.run(&["retire", "web"])
        .await
        .ended_with(5)
        .says("proxy forget")
        .says("1.1: lb2 is lost, and is waited for for another");
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

/// Where one controller's clock is an hour ahead, another's must not take the hour for time passed.
#[tokio::test]
async fn what_a_clock_ahead_has_noted_stops_nothing_early_and_is_shown_as_just_now() {
    let site = Site::with_two_releases().await;
    let _alive = Words::of("lb1", &site).await.obeys();
    Words::of("lb2", &site).await.dies().await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    site.put(AppKey::Deploy, &warm_record(&old, "1s")).await;
    site.run(&["retire", "web"])
        .await
        .ended_with(5)
        .says("lb2 is lost, and is waited for for another");
    let keys = site.keys().await;
    let mut ahead = keys.draining.get(&old).unwrap().ok().unwrap().clone();
    let hour = jiff::SignedDuration::from_hours(1);
    ahead.since = ahead.since.checked_add(hour).unwrap();
    ahead.lost.values_mut().for_each(|since| *since = since.checked_add(hour).unwrap());
    site.put(AppKey::Draining(old.clone()), &serde_json::to_string(&ahead).unwrap()).await;
    site.run(&["status", "web"]).await.says("replaced 0 ms ago").says("missed for 0 ms");
    site.run(&["retire", "web"])
        .await
        .ended_with(5)
        .says("lb2 is lost, and is waited for for another");
    // From here on it counts by the clock that looked.
    let keys = site.keys().await;
    let noted = keys.draining.get(&old).unwrap().ok().unwrap();
    assert!(noted.lost.values().all(|since| *since <= jiff::Timestamp::now()), "{noted:?}");
}

/// What each proxy serves then is its own last good: any release that was there before.
#[tokio::test]
async fn nothing_is_stopped_while_active_cannot_be_served_as_it_is_written() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let announce = ["announce", "web", "green", "127.0.0.1:9003", "--no-wait"];
    site.run(&announce).await.ended_with(0);
    let new = site.keys().await.slot(Slot::Green).unwrap().text();
    proxy.serves_what_is_asked().await;
    let stays = async |said: &str| {
        site.run(&["retire", "web"]).await.ended_with(5).says(said);
        assert!(site.keys().await.draining.contains_key(&old), "{said}");
    };
    site.put(AppKey::Active, "gren").await;
    stays("`apps/web/active` cannot be read").await;
    site.put(AppKey::Active, "green").await;
    site.put(AppKey::Slot(Slot::Green), "nonsense").await;
    stays("`apps/web/green`, which is active, cannot be read").await;
    site.delete(AppKey::Slot(Slot::Green)).await;
    stays("`apps/web/active` names `green`, which is empty").await;
    site.delete(AppKey::Active).await;
    stays("`apps/web/active` is missing, and lb1 goes on with what it had").await;

    site.put(AppKey::Slot(Slot::Green), &new).await;
    let active = site.put(AppKey::Active, "green").await;
    let before = obedient(&site.keys().await);
    let refused = vec![refusal("apps/web/active", &active, "127.0.0.1:9003: connection refused")];
    proxy.says(&AppStatus { active: None, serving: vec![], refused, ..before }).await;
    stays("lb1 refuses what `apps/web/active` asks for: 127.0.0.1:9003: connection refused").await;
    assert!(site.keys().await.slot(Slot::Blue).is_some(), "what lb1 may serve is condemned");

    proxy.serves_what_is_asked().await;
    site.run(&["retire", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn without_any_known_proxy_nothing_is_stopped() {
    let site = Site::with_two_releases().await;
    site.run(&["retire", "web"]).await.ended_with(5).says("no proxy is known");
    assert!(site.keys().await.slot(Slot::Green).is_some());
}

/// A deploy file with which nothing takes long.
const QUICK: &str =
    "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n[deploy]\ndrain_timeout = \"1s\"\n";

/// A deploy's record that keeps the release `old` in green warm.
pub(crate) fn warm_record(old: &shunt_config::Token, drain: &str) -> String {
    format!(
        r#"{{"id":"20260101T000000-00000001","who":{{"user":"ann","host":"ci-7","pid":1}},
        "began":"2026-01-01T00:00:00Z","slot":"blue","stage":"warm","plan":[],"before":{{}},
        "limits":{{"health":"1m","flip":"1m","drain":"{drain}","warm":"1m","lost":"15m","stop":"1s"}},
        "previous":{{"slot":"green","token":"{old}"}}}}"#
    )
}

/// No deploy ever comes to retire what a script has replaced.
#[tokio::test]
async fn what_was_run_by_hand_and_is_drained_is_forgotten_by_the_next_announcement_or_flip() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let old = site.keys().await.slot(Slot::Blue).unwrap().token.clone();
    let held = Arc::new(AtomicBool::new(true));
    let (says, token) = (Arc::clone(&held), old.clone());
    let _proxy = proxy.obeys_but(move |keys, mut status| {
        let away = keys.active() == Some(Active::all(Slot::Green));
        if away && says.load(Ordering::SeqCst) {
            status.draining.insert(token.clone(), 1);
        }
        Some(status)
    });
    site.run(&["flip", "web"]).await.ended_with(0);
    for port in ["127.0.0.1:9003", "127.0.0.1:9004"] {
        site.run(&["announce", "web", "blue", port]).await.ended_with(0);
    }
    let draining = site.keys().await.draining;
    assert_eq!(draining.keys().collect::<Vec<_>>(), [&old], "one request is left on that one");
    held.store(false, Ordering::SeqCst);
    site.run(&["flip", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn a_lost_proxy_keeps_what_was_run_by_hand_from_being_forgotten() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    Words::of("lb2", &site).await.dies().await;
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    let draining = site.keys().await.draining;
    let lost = &draining.values().next().unwrap().ok().unwrap().lost;
    assert_eq!(lost.len(), 1, "since when it is missed is noted");
    site.run(&["proxy", "forget", "lb2"]).await.ended_with(0);
    site.run(&["flip", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

/// A hook goes on when whoever runs it is killed, and its lock is free by then.
#[tokio::test]
async fn a_hook_whose_run_was_killed_is_over_before_the_next_one_begins() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let line = "echo begun >> said; until test -e go || ! test -e said; do sleep 0.05; done; echo over >> said";
    let finish = Finish {
        command: Command::Shell(line.to_owned()),
        timeout: std::time::Duration::from_mins(1),
        deploy: "d1".to_owned(),
        slot: Slot::Green,
        version: None,
        image: None,
    };
    let draining = Draining {
        slot: Slot::Green,
        value: "127.0.0.1:9009".to_owned(),
        since: jiff::Timestamp::now(),
        sessions: None,
        ended: None,
        lost: [].into(),
        finish: Some(finish),
    };
    let key = AppKey::Draining("1f-7-00c0ffee".into());
    site.put(key, &serde_json::to_string(&draining).unwrap()).await;
    let path = site.directory.path().join("said");
    let said = || std::fs::read_to_string(&path).unwrap_or_default();

    let first = site.begin(&["retire", "web"], None);
    until("the hook begins", async || (said() == "begun\n").then_some(())).await;
    first.kill().await;
    let mut next = site.begin(&["retire", "web"], None);
    let waits = "`finish` waits: another hook of `web` runs on this machine";
    until("the next run waits", async || {
        assert_eq!(said(), "begun\n", "{}", next.log());
        next.log().contains(waits).then_some(())
    })
    .await;
    site.write("go", "");
    assert!(next.ended().await.success(), "{}", next.log());
    assert_eq!(said(), "begun\nover\nbegun\nover\n", "{}", next.log());
}
