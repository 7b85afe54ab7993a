//! What keeps two controllers apart, on a real directory store.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::{Before, Deploy, Hooks, Limits, Stage, Step};
use shunt_config::store::Txn;
use shunt_controller::app_keys::AppKeys;
use shunt_controller::fleet::Fleet;
use shunt_controller::history::new_id;
use shunt_controller::journal::{Journal, WriteError};
use shunt_controller::lock::{self, who};
use shunt_controller::report::Report;
use shunt_controller::sight::{Look, Sight, Waited};
use shunt_controller::stop::Stop;

use crate::site::Site;

pub(crate) fn record() -> Deploy {
    Deploy {
        id: new_id(),
        who: who(),
        began: Timestamp::now(),
        slot: Slot::Green,
        version: None,
        image: None,
        image_id: None,
        engines: Vec::new(),
        limits: Limits::default(),
        guard: None,
        checks: vec![],
        plan: vec![Step::Pull, Step::Start, Step::Flip],
        steps: Vec::new(),
        stage: Stage::Preparing,
        before: Before::default(),
        previous: None,
        replaced: None,
        canary: None,
        undo: None,
        warm_until: None,
        gave_way: None,
        mirrored: None,
        earlier: None,
        hooks: Hooks::default(),
        secrets: Some(BTreeSet::new()),
    }
}

/// A deploy that holds the lock and has written its record.
async fn begun(site: &Site) -> Journal {
    let report = Report::new(false);
    let held =
        lock::take(&*site.store, &site.app, "deploy", Duration::ZERO, &report).await.unwrap();
    let store = Arc::clone(&site.store);
    let mut journal = Journal::begin(store, held, &site.keys().await, record());
    journal.write(|_| {}, Txn::new()).await.unwrap();
    journal
}

fn flip() -> Txn {
    Txn::new().put("apps/web/active", "green")
}

#[tokio::test]
async fn a_deploy_that_lost_its_lock_changes_nothing_more() {
    let site = Site::with_two_releases().await;
    let mut late = begun(&site).await;
    late.held().clone().release().await.unwrap();
    let before = site.everything().await;
    let written = late.write(|record| record.stage = Stage::Flipped, flip()).await;
    assert!(matches!(written, Err(WriteError::Stop(Stop::LockLost))), "{written:?}");
    assert_eq!(site.everything().await, before);

    // Nor once another has taken over and written its own record.
    let _other = begun(&site).await;
    let before = site.everything().await;
    let written = late.write(|record| record.stage = Stage::Flipped, flip()).await;
    assert!(matches!(written, Err(WriteError::Stop(Stop::LockLost))), "{written:?}");
    let closed = late.close(None, flip()).await;
    assert!(matches!(closed, Err(WriteError::Stop(Stop::LockLost))), "{closed:?}");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn the_next_write_of_a_deploy_that_is_undone_changes_nothing_and_says_by_whom() {
    let site = Site::with_two_releases().await;
    let mut journal = begun(&site).await;
    let undone = Deploy { undo: Some(who()), ..journal.record().clone() };
    site.put(AppKey::Deploy, &serde_json::to_string(&undone).unwrap()).await;
    let written = journal.write(|record| record.stage = Stage::Flipped, flip()).await;
    assert!(matches!(written, Err(WriteError::Stop(Stop::Undo(_)))), "{written:?}");
    assert_eq!(site.active().await, "blue");
    // What it goes on to write, on the way back, begins from what was written for it.
    journal.write(|record| record.stage = Stage::Undoing, Txn::new()).await.unwrap();
    let keys = site.keys().await;
    assert_eq!(keys.record().unwrap().undo, undone.undo);
}

#[tokio::test]
async fn a_write_whose_own_condition_fails_is_told_as_someone_elses_change() {
    let site = Site::with_two_releases().await;
    let mut journal = begun(&site).await;
    let seen = site.keys().await;
    site.put(AppKey::Active, "green").await;
    let txn = flip().when(seen.unchanged(&AppKey::Active));
    let written = journal.write(|record| record.stage = Stage::Flipped, txn).await;
    assert!(matches!(written, Err(WriteError::Stop(Stop::Superseded(_)))), "{written:?}");
    assert_eq!(site.keys().await.record().unwrap().stage, Stage::Preparing);
}

#[tokio::test]
async fn the_lock_is_one_deploys_at_a_time_and_a_waiting_one_gets_it_next() {
    let site = Site::with_two_releases().await;
    let first = begun(&site).await;
    let report = Report::new(false);
    let take = |wait| lock::take(&*site.store, &site.app, "deploy", wait, &report);
    let refused = take(Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.exit.code(), 4);
    let mut second = std::pin::pin!(take(Duration::from_mins(1)));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "it got a lock that is held");
    first.held().clone().release().await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn what_this_process_wrote_itself_is_never_taken_for_anothers_change() {
    let site = Site::with_two_releases().await;
    let mut sight = Sight::open(&site.store, &site.app).await.unwrap();
    let token = site.put(AppKey::Slot(Slot::Green), "127.0.0.1:9003").await;
    // No event was taken in since, so the sight still shows what was there before.
    assert_ne!(sight.keys.slot(Slot::Green).unwrap().token, token);
    let look = |keys: &AppKeys, _: &Fleet| match keys.slot(Slot::Green) {
        Some(kept) if kept.token == token => Ok(Look::Done(())),
        _ => Err("put by someone else"),
    };
    let waited = sight.wait(Duration::from_mins(1), &mut |_, _| {}, look).await;
    assert!(matches!(waited, Ok(Waited::Done(()))), "{waited:?}");
    site.delete(AppKey::Slot(Slot::Green)).await;
    let waited = sight.wait(Duration::from_mins(1), &mut |_, _| {}, look).await;
    assert!(matches!(waited, Err("put by someone else")), "{waited:?}");
}

#[tokio::test]
async fn a_wait_says_what_it_waits_for_when_its_time_is_over() {
    let site = Site::with_two_releases().await;
    let mut sight = Sight::open(&site.store, &site.app).await.unwrap();
    let mut told = Vec::new();
    let mut tell = |key: &str, text: &str| told.push(format!("{key}: {text}"));
    let waited: Result<Waited<()>, Infallible> = sight
        .wait(Duration::from_millis(50), &mut tell, |_, _| {
            Ok(Look::Wait("lb2".to_owned(), "waiting for lb2".to_owned()))
        })
        .await;
    assert!(matches!(waited, Ok(Waited::TimedOut(waits)) if waits == "waiting for lb2"));
    assert_eq!(told.first().map(String::as_str), Some("lb2: waiting for lb2"));
}
