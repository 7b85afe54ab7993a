//! The deploy lock, as the verbs meet it.

use std::sync::Arc;

use shunt_config::key::AppKey;
use shunt_config::store::{LEASE_TTL, Session, Txn};

use crate::site::Site;
use crate::words::Words;

/// Holds the lock as another process would, until the session is closed.
async fn held_by_ben(site: &Site) -> Arc<dyn Session> {
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    let key = AppKey::Lock.of(&site.app);
    session.commit(Txn::new().put_leased(&key, lock)).await.unwrap();
    session
}

#[tokio::test]
async fn what_another_has_locked_is_not_flipped_or_announced() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["flip", "web"]).await.ended_with(0);
    let session = held_by_ben(&site).await;
    let before = site.everything().await;
    site.run(&["flip", "web"]).await.ended_with(4).says("ben@ci-7 (pid 42)").says("--lock-wait");
    site.run(&["announce", "web", "blue", "127.0.0.1:9003"]).await.ended_with(4);
    assert_eq!(site.everything().await, before);
    // Going back needs no free lock.
    site.run(&["undo", "web"]).await.ended_with(0).says("goes back to blue");
    session.close().await.unwrap();
    site.run(&["flip", "web"]).await.ended_with(0);
}

#[tokio::test]
async fn who_waits_for_the_lock_is_told_who_holds_it_for_what_and_since_when() {
    let site = Site::with_two_releases().await;
    let session = held_by_ben(&site).await;
    let status = site.run(&["status", "web"]).await.ended_with(0);
    status.says("locked: ben@ci-7 (pid 42) holds it for `deploy`");
    let mut resume = site.begin(&["resume", "web", "--lock-wait", "5m", "--json"], None);
    resume.said(r#"{"event":"step","state":"running","step":"lock""#).await;
    let waits = resume.said(r#"{"event":"progress","step":"lock","text":"waiting: "#).await;
    let holder = "ben@ci-7 (pid 42) holds it for `deploy` since 2026-01-01 00:00:00 UTC (";
    assert!(waits.starts_with(holder), "{waits}");
    session.close().await.unwrap();
    assert!(resume.ended().await.success(), "{}", resume.log());
    let log = resume.log();
    let told = log.lines().filter(|line| line.contains("progress")).count();
    assert_eq!(told, 1, "the same holder is told of once: {log}");
}

#[tokio::test]
async fn whoever_has_waited_long_enough_leaves_with_the_locks_own_code() {
    let site = Site::with_two_releases().await;
    let _session = held_by_ben(&site).await;
    let before = site.everything().await;
    let run = site.run(&["resume", "web", "--lock-wait", "1s"]).await.ended_with(4);
    run.says("`web` is locked: ben@ci-7 (pid 42) holds it for `deploy`");
    assert_eq!(site.everything().await, before);
}
