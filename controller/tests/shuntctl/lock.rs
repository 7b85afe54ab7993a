//! The deploy lock, as the verbs meet it.

use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::process::Signal;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Lock, Process, Stage, Step, StepTime, Who};
use shunt_config::store::{LEASE_TTL, Session, Txn};
use shunt_controller::lock::who;
use shunt_controller::process::{self, ProcessId};

use crate::fence::record;
use crate::site::Site;
use crate::words::Words;

/// Holds the lock as another process would, until the session is closed.
async fn held_by_ben(site: &Site) -> Arc<dyn Session> {
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    held(site, lock.to_owned()).await
}

async fn held(site: &Site, lock: String) -> Arc<dyn Session> {
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let key = AppKey::Lock.of(&site.app);
    session.commit(Txn::new().put_leased(&key, lock)).await.unwrap();
    session
}

/// The same by `process`; the lease goes on, whether that runs or not.
async fn held_by(site: &Site, process: Process) -> Arc<dyn Session> {
    let (who, since) = (who(), Timestamp::now());
    let lock = Lock { who, since, verb: "deploy".to_owned(), process: Some(process) };
    held(site, serde_json::to_string(&lock).unwrap()).await
}

/// A process of this machine that has ended.
fn ended() -> Process {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let began = ProcessId::of(child.id()).unwrap().began;
    let process = Process { pid: child.id(), began, ..process::own().unwrap() };
    child.kill().unwrap();
    child.wait().unwrap();
    process
}

/// The record of a deploy that was left in the middle of `step`.
fn left_in(step: Step) -> Deploy {
    let steps = vec![StepTime { step, began: Timestamp::now(), ended: None }];
    Deploy { steps, stage: Stage::Preparing, ..record() }
}

#[tokio::test]
async fn the_lock_of_a_holder_that_has_ended_is_taken_over_at_once() {
    let site = Site::with_two_releases().await;
    let session = held_by(&site, ended()).await;
    site.put(AppKey::Deploy, &serde_json::to_string(&left_in(Step::Prove)).unwrap()).await;
    site.run(&["status", "web"]).await.ended_with(0).says("half done").says("shuntctl resume web");
    let run = site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(0);
    run.says("taken over: ").says("and has ended").says("is undone");
    let keys = site.keys().await;
    assert!(keys.lock.is_none() && keys.deploy.is_none());
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_lock_whose_holder_may_still_run_is_waited_for() {
    let site = Site::with_two_releases().await;
    let (own, ended) = (process::own().unwrap(), ended());
    let elsewhere = Process { boot: "another machine's".to_owned(), ..ended.clone() };
    let inside = Process { namespaces: "pid:[1]".to_owned(), ..ended };
    for (holder, process) in [("runs", own), ("is elsewhere", elsewhere), ("is inside", inside)] {
        let session = held_by(&site, process).await;
        let before = site.everything().await;
        site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(4);
        assert_eq!(site.everything().await, before, "{holder}");
        session.close().await.unwrap();
        site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(0);
    }
}

#[tokio::test]
async fn what_a_holder_that_has_ended_left_under_way_has_the_rest_of_its_lease() {
    let site = Site::with_two_releases().await;
    for step in [Step::Stop, Step::Migrate, Step::Start, Step::Workers, Step::Retire] {
        let session = held_by(&site, ended()).await;
        site.put(AppKey::Deploy, &serde_json::to_string(&left_in(step)).unwrap()).await;
        let run = site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(4);
        run.says("and has ended");
        session.close().await.unwrap();
    }
    // It may have gone on to its end, which is no step.
    let session = held_by(&site, ended()).await;
    let late = Deploy { stage: Stage::Acknowledged, ..left_in(Step::Bake) };
    site.put(AppKey::Deploy, &serde_json::to_string(&late).unwrap()).await;
    site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(4);
    session.close().await.unwrap();
    let session = held_by(&site, ended()).await;
    let undoing = Deploy { stage: Stage::Undoing, ..left_in(Step::Prove) };
    site.put(AppKey::Deploy, &serde_json::to_string(&undoing).unwrap()).await;
    site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(4);
    session.close().await.unwrap();
    site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(0).says("is undone");
}

/// No record says what an `undo`, a `flip`, a `retire` or whoever takes back another's deploy has asked for.
#[tokio::test]
async fn a_holder_that_has_ended_and_wrote_no_record_of_its_own_has_the_rest_of_its_lease() {
    let site = Site::with_two_releases().await;
    let earlier = left_in(Step::Prove);
    let session = held_by(&site, ended()).await;
    let over = Deploy { stage: Stage::Warm, ..left_in(Step::Drain) };
    let elsewhere = Deploy { who: Who { pid: 1, ..who() }, ..left_in(Step::Prove) };
    for (what, left) in [
        ("no record", None),
        ("one that was there before", Some(earlier)),
        ("one of another", Some(elsewhere)),
        ("one that is over", Some(over)),
    ] {
        if let Some(left) = left {
            site.put(AppKey::Deploy, &serde_json::to_string(&left).unwrap()).await;
        }
        let before = site.everything().await;
        let run = site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(4);
        run.says("and has ended");
        assert_eq!(site.everything().await, before, "{what}");
    }
    session.close().await.unwrap();
    site.run(&["resume", "web", "--lock-wait", "100ms"]).await.ended_with(0);
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

#[tokio::test]
async fn a_deploy_that_is_stopped_while_it_waits_for_the_lock_says_that_it_has_changed_nothing() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let _session = held_by_ben(&site).await;
    let file = site.write("shunt.toml", "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n");
    let before = site.everything().await;
    for signal in [Signal::INT, Signal::TERM] {
        let deploy = ["deploy", "--tag", "1", "--file", file.to_str().unwrap()];
        let mut deploy =
            site.begin(&[&deploy[..], &["--lock-wait", "5m", "--json"]].concat(), None);
        deploy.said(r#"{"event":"progress","step":"lock""#).await;
        deploy.signal(signal);
        assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
        assert!(deploy.log().contains("nothing was changed"), "{}", deploy.log());
        assert_eq!(site.everything().await, before);
    }
}
