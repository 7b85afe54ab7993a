//! `shuntctl resume`: what it retires by the way and what it does not, and what it says while it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::until;
use shunt_config::key::AppKey;
use shunt_config::record::{Before, Deploy, Stage};
use shunt_config::store::Txn;
use shunt_config::{Slot, Token};
use shunt_controller::lock::who;

use crate::fence::record;
use crate::retire::warm_record;
use crate::site::Site;
use crate::words::{Obedient, Words};

/// A site whose green release was kept warm, until long ago.
async fn cold() -> Site {
    let site = Site::with_two_releases().await;
    let green = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let mut record = Deploy::parse(warm_record(&green, "1s").as_bytes()).unwrap();
    record.warm_until = Some(record.began);
    site.put(AppKey::Deploy, &serde_json::to_string(&record).unwrap()).await;
    site
}

#[tokio::test]
async fn a_warm_release_past_its_time_goes_without_any_engine() {
    let site = cold().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["resume", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert!(keys.slot(Slot::Green).is_none() && keys.deploy.is_none(), "{keys:?}");
}

#[tokio::test]
async fn a_warm_release_that_someone_has_flipped_back_to_is_no_reason_to_fail_and_stays() {
    let site = cold().await;
    site.put(AppKey::Active, "green").await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["resume", "web"]).await.ended_with(0);
    assert!(site.keys().await.slot(Slot::Green).is_some());
    site.put(AppKey::Active, "gren").await;
    site.run(&["resume", "web"]).await.ended_with(0);
    assert!(site.keys().await.slot(Slot::Green).is_some());
}

#[tokio::test]
async fn what_someone_has_put_in_the_place_of_a_warm_release_is_not_taken_for_it() {
    let site = cold().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    site.run(&["resume", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    let release = keys.slot(Slot::Green).unwrap().ok().unwrap();
    assert_eq!(release.targets[0].address.to_string(), "127.0.0.1:9003");
    let status = site.run(&["status", "web"]).await.ended_with(0);
    assert!(!status.output.contains("warm"), "{}", status.output);
}

/// A proxy that has a request on `token` as long as the switch is on.
async fn busy(site: &Site, token: &Token) -> (Arc<AtomicBool>, Obedient) {
    let (token, is_busy) = (token.clone(), Arc::new(AtomicBool::new(true)));
    let says = Arc::clone(&is_busy);
    let proxy = Words::of("lb1", site).await.obeys_but(move |_, mut status| {
        if says.load(Ordering::SeqCst) {
            status.draining.insert(token.clone(), 1);
        }
        Some(status)
    });
    (is_busy, proxy)
}

/// Resumes a deploy whose step `step` waits for a request on `token`, says so, and ends when that is over.
async fn waits_in(site: &Site, step: &str, token: &Token) {
    let (is_busy, _proxy) = busy(site, token).await;
    let mut resume = site.begin(&["resume", "web", "--json"], None);
    let progress = format!(r#"{{"event":"progress","step":"{step}","text":"#);
    until(&format!("it says what `{step}` waits for"), async || {
        let log = resume.log();
        let said = |line: &str| line.starts_with(&progress) && line.contains("1 request on lb1");
        log.lines().any(said).then_some(())
    })
    .await;
    assert!(site.keys().await.draining.contains_key(token), "{}", resume.log());
    is_busy.store(false, Ordering::SeqCst);
    // Something for the proxy to say it with.
    let nudge = Txn::new().put("apps/other/app", r#"{"hosts":["other.example.com"]}"#);
    site.store.commit(nudge).await.unwrap();
    assert!(resume.ended().await.success(), "{}", resume.log());
    let done = format!(r#""state":"done","step":"{step}""#);
    assert!(resume.log().contains(&done), "{}", resume.log());
    assert!(site.keys().await.draining.is_empty(), "{}", resume.log());
}

#[tokio::test]
async fn what_a_way_back_waits_for_is_said_as_in_any_step() {
    let site = Site::with_two_releases().await;
    let app = site.keys().await.app.map(|kept| kept.text());
    let before = Before { active: Some("blue".to_owned()), app };
    let own = Deploy { stage: Stage::Announced, before, ..record() };
    let release = format!(r#"{{"targets":["127.0.0.1:9002"],"deploy":"{}"}}"#, own.id);
    let token = site.put(AppKey::Slot(Slot::Green), &release).await;
    site.put(AppKey::Deploy, &serde_json::to_string(&own).unwrap()).await;
    waits_in(&site, "put back", &token).await;
}

#[tokio::test]
async fn so_is_what_the_release_before_last_waits_for_after_a_late_undo() {
    let site = Site::with_two_releases().await;
    let (replaced, since) = (Token::from("1-2"), jiff::Timestamp::now());
    let left = format!(r#"{{"slot":"green","value":"127.0.0.1:9003","since":"{since}"}}"#);
    site.put(AppKey::Draining(replaced.clone()), &left).await;
    let stage = Stage::Acknowledged;
    let own = Deploy { stage, undo: Some(who()), replaced: Some(replaced.clone()), ..record() };
    site.put(AppKey::Deploy, &serde_json::to_string(&own).unwrap()).await;
    waits_in(&site, "retire", &replaced).await;
}
