//! The queues of `shuntctl serve`: whose turn it is, and that nothing of it is lost.

use std::sync::Arc;

use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::store::{LEASE_TTL, Session, Txn};

use crate::daemon::{ALL, DEPLOY, Daemon};
use crate::site::Site;
use crate::words::Words;

/// Holds the lock as another process would: a deploy that has begun waits for it.
pub(crate) async fn locked(site: &Site) -> Arc<dyn Session> {
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    session.commit(Txn::new().put_leased(AppKey::Lock.of(&site.app), lock)).await.unwrap();
    session
}

async fn deploy(daemon: &Daemon, tag: &str) -> String {
    let body = json!({ "tag": tag }).to_string();
    let answer = daemon.post("/v1/apps/web/deploy", DEPLOY, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["location"], format!("/v1/runs/{id}"));
    id
}

/// The engine of these deploys is nowhere, so each ends with code 7 when it comes that far.
#[tokio::test]
async fn of_deploys_that_wait_the_newest_is_done_and_a_restart_loses_none() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let daemon = Daemon::start(&site, "").await;
    let lock = locked(&site).await;
    let first = deploy(&daemon, "1").await;
    assert_eq!(daemon.is(&first, "running").await["version"], "1");
    let second = deploy(&daemon, "2").await;
    assert_eq!(daemon.run(&second).await["state"], "queued");
    let third = deploy(&daemon, "3").await;
    let superseded = daemon.run(&second).await;
    assert_eq!(superseded["state"], "superseded");
    assert_eq!(superseded["superseded_by"], third.as_str());
    // The same once more is the same run.
    assert_eq!(deploy(&daemon, "3").await, third);
    let status = daemon.get("/v1/status", DEPLOY).await.json();
    let live = status["apps"][0]["runs"].as_array().unwrap().iter();
    let live: Vec<_> = live.map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(live, [first.as_str(), third.as_str()]);

    let process = |site: &Site| {
        let path = site.directory.path().join(format!("state/runs/{first}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["process"].clone()
    };
    let before = process(&site);
    daemon.process.kill().await;
    let daemon = Daemon::again(&site, None).await;
    assert_eq!(daemon.run(&first).await["state"], "running", "it goes on without the daemon");
    assert_eq!(process(&site), before);
    assert_eq!(daemon.run(&third).await["state"], "queued");
    lock.close().await.unwrap();
    let first = daemon.is(&first, "failed").await;
    assert_eq!(first["exit"], 7, "how it ended is known from what it wrote: {first}");
    let third = daemon.is(&third, "failed").await;
    assert_eq!((&third["exit"], &third["outcome"]), (&json!(7), &json!("unreachable")), "{third}");
    assert!(third["began"].as_str().unwrap() >= first["began"].as_str().unwrap());
    let again = daemon.run(&second).await;
    assert_eq!((&again["state"], &again["began"]), (&json!("superseded"), &json!(null)));
}

#[tokio::test]
async fn a_run_whose_process_was_killed_is_shown_as_interrupted_and_the_next_one_has_its_turn() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let daemon = Daemon::start(&site, "").await;
    let lock = locked(&site).await;
    let first = deploy(&daemon, "1").await;
    let second = deploy(&daemon, "2").await;
    let path = site.directory.path().join(format!("state/runs/{first}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let pid = i32::try_from(record["process"]["pid"].as_i64().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let ended = daemon.is(&first, "interrupted").await;
    assert!(ended["error"].as_str().unwrap().contains("has not said"), "{ended}");
    daemon.is(&second, "running").await;
    lock.close().await.unwrap();
    daemon.is(&second, "failed").await;
}

#[tokio::test]
async fn going_back_waits_for_no_turn() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let daemon = Daemon::start(&site, "").await;
    let flip = daemon.post("/v1/apps/web/flip?wait=1m", ALL, "").await.json();
    assert_eq!(flip["exit"], 0, "{flip}");
    let lock = locked(&site).await;
    let waiting = deploy(&daemon, "1").await;
    daemon.is(&waiting, "running").await;
    let undo = daemon.post("/v1/apps/web/undo?wait=1m", DEPLOY, "").await;
    assert_eq!((undo.status.as_u16(), &undo.json()["exit"]), (200, &json!(0)), "{}", undo.body);
    assert_eq!(site.active().await, "blue");
    assert_eq!(daemon.run(&waiting).await["state"], "running");
    lock.close().await.unwrap();
    daemon.is(&waiting, "failed").await;
}
