//! What `shuntctl serve` does without anybody asking, and `shuntctl mend`.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use e2e::until;
use jiff::Timestamp;
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::store::Txn;
use shunt_config::{AppName, Slot, Token};

use crate::daemon::{ALL, DEPLOY, Daemon, READ};
use crate::serve_queue::locked;
use crate::shop::Shop;
use crate::site::Site;
use crate::words::Words;

fn record(old: &Token, stage: &str, until: Timestamp) -> String {
    format!(
        r#"{{"id":"20260101T000000-00000001","who":{{"user":"ann","host":"ci-7","pid":1}},
        "began":"2026-01-01T00:00:00Z","slot":"blue","stage":"{stage}","plan":[],"before":{{}},
        "limits":{{"health":"1m","flip":"1m","drain":"1s","warm":"1m","lost":"15m","stop":"1s"}},
        "previous":{{"slot":"green","token":"{old}"}},"warm_until":"{until}"}}"#
    )
}

#[tokio::test]
async fn a_warm_release_is_retired_when_its_time_is_up_and_not_while_someone_holds_the_lock() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let hour = Timestamp::now().checked_add(Duration::from_hours(1)).unwrap();
    site.put(AppKey::Deploy, &record(&old, "warm", hour)).await;
    let daemon = Daemon::start(&site, "").await;
    let lock = locked(&site).await;
    let soon = Timestamp::now().checked_add(Duration::from_secs(1)).unwrap();
    site.put(AppKey::Deploy, &record(&old, "warm", soon)).await;
    until("its time is up", async || (Timestamp::now() > soon).then_some(())).await;
    // A run from beginning to end: whatever else was due would have begun as well.
    let mend = daemon.post("/v1/apps/web/promote?wait=1m", DEPLOY, "").await;
    assert_eq!(mend.status, 200, "{}", mend.body);
    assert!(site.keys().await.slot(Slot::Green).is_some());
    assert_eq!(daemon.runs().await.len(), 1);
    lock.close().await.unwrap();
    until("the warm release is gone", async || {
        let keys = site.keys().await;
        (keys.slot(Slot::Green).is_none() && keys.draining.is_empty()).then_some(())
    })
    .await;
    let run = daemon.runs().await.pop().unwrap();
    assert_eq!((&run["verb"], &run["by"]), (&json!("resume"), &json!("serve")));
    assert_eq!(run["why"], "the warm release's time is up");
    assert_eq!(site.active().await, "blue");
    let id = run["id"].as_str().unwrap();
    daemon.is(id, "done").await;
}

#[tokio::test]
async fn a_deploy_whose_controller_is_gone_is_taken_up() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let old = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let daemon = Daemon::start(&site, "").await;
    let lock = locked(&site).await;
    site.put(AppKey::Deploy, &record(&old, "preparing", Timestamp::now())).await;
    assert_eq!(daemon.get("/v1/apps/web/status", READ).await.json()["half_done"], false);
    lock.close().await.unwrap();
    until("what was half done is over", async || site.keys().await.deploy.is_none().then_some(()))
        .await;
    let run = daemon.runs().await.pop().unwrap();
    assert_eq!(run["why"], "the deploy of a release was cut off");
    daemon.is(run["id"].as_str().unwrap(), "done").await;
}

#[tokio::test]
async fn what_is_gone_is_started_again_where_it_was_and_what_runs_is_left_alone() {
    let shop = Shop::open(&["1"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let token = async || shop.site.keys().await.slot(Slot::Blue).unwrap().token.clone();
    let before = token().await;
    let first = shop.engine.containers().await.remove(0);
    shop.site.run(&["mend"]).await.ended_with(0).says("none is gone");
    assert_eq!(shop.engine.containers().await[0].id, first.id);
    // Ended: the same one is started.
    shop.engine.docker(&["stop", "--time", "0", &first.id]).await;
    shop.site.run(&["mend", "--dry-run"]).await.ended_with(0).says("gone: web-blue-");
    assert_ne!(shop.engine.containers().await[0].state, "running");
    shop.site.run(&["mend"]).await.ended_with(0);
    let again = shop.engine.containers().await.remove(0);
    assert_eq!((again.id.as_str(), again.state.as_str()), (first.id.as_str(), "running"));
    // Removed: another one is made, with the same labels and so on the same port.
    shop.engine.docker(&["rm", "--force", &first.id]).await;
    let run = shop.site.run(&["mend", "--json"]).await.ended_with(0);
    assert!(run.output.contains(r#""event":"mended""#), "{}", run.output);
    let other = shop.engine.containers().await.remove(0);
    assert_ne!(other.id, first.id);
    assert_eq!((other.state.as_str(), &other.labels), ("running", &first.labels));
    assert_eq!(token().await, before, "no key was changed");
    let lock = locked(&shop.site).await;
    shop.site.run(&["mend"]).await.ended_with(4);
    lock.close().await.unwrap();
}

#[tokio::test]
async fn what_is_gone_on_one_of_two_hosts_is_started_there_and_a_silent_host_is_named() {
    let shop = Shop::open(&["1"], "").await;
    let two = shop.second_host(&["1"], "hosts = [\"www.example.com\"]", "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let (here, there) = (shop.engine.containers().await, two.containers().await);
    assert_eq!((here.len(), there.len()), (1, 1));
    two.docker(&["rm", "--force", &there[0].id]).await;
    shop.site.run(&["mend"]).await.ended_with(0).says("gone: web-blue-");
    let again = two.containers().await.remove(0);
    assert_eq!((again.state.as_str(), &again.labels), ("running", &there[0].labels));
    assert_eq!(shop.engine.containers().await, here, "what runs on the other is left alone");
    // What is gone here is started, though nobody knows what is gone there.
    let name = two.host();
    drop(two);
    shop.engine.docker(&["rm", "--force", &here[0].id]).await;
    shop.site.run(&["mend"]).await.ended_with(7).says(&name);
    assert_eq!(shop.engine.containers().await[0].labels, here[0].labels);
}

#[tokio::test]
async fn a_container_that_is_gone_is_reported_once_and_started_only_where_that_is_wanted() {
    let shop = Shop::open(&["1"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let daemon = Daemon::start(&shop.site, "").await;
    let first = shop.engine.containers().await.remove(0);
    shop.engine.docker(&["rm", "--force", &first.id]).await;
    let vanished = async || {
        let status = daemon.get("/v1/status", READ).await.json();
        status["apps"][0]["vanished"].as_array().unwrap().clone()
    };
    let gone = until("it is reported", async || vanished().await.pop()).await;
    assert!(gone["name"].as_str().unwrap().starts_with("web-blue-"), "{gone}");
    let runs = until("someone was told", async || {
        let runs = daemon.runs().await;
        runs.last().is_some_and(|run| run["state"] == "done").then_some(runs)
    })
    .await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((&runs[0]["verb"], &runs[0]["by"]), (&json!("mend"), &json!("serve")));
    assert!(shop.engine.containers().await.is_empty());
    let metrics = daemon.get("/metrics", READ).await.body;
    assert!(metrics.contains(r#"shuntctl_vanished_containers{app="web"} 1"#), "{metrics}");
    assert!(daemon.process.stop().await.success());

    let daemon = Daemon::start(&shop.site, "restart = true\n").await;
    let again = until("it runs again", async || {
        let all = shop.engine.containers().await;
        all.into_iter().find(|container| container.state == "running")
    })
    .await;
    assert_eq!(again.labels, first.labels);
    let status = until("nothing is missed", async || {
        let status = daemon.get("/v1/status", READ).await.json();
        status["apps"][0]["vanished"].as_array().unwrap().is_empty().then_some(status)
    })
    .await;
    assert!(status["apps"][0]["status"].is_object());
    let told = daemon.post("/v1/apps/web/mend?wait=1m", ALL, "").await.json();
    assert_eq!(told["exit"], 0, "{told}");
}

#[tokio::test]
async fn an_engine_that_hangs_hides_nothing_of_other_apps() {
    let site = Site::with_two_releases().await;
    let path = |name: &str| site.directory.path().join(name);
    let hang = ["hangs", "too"].map(|name| UnixListener::bind(path(name)).unwrap());
    let release = |engines: &[&str]| {
        let urls = engines.iter().map(|name| format!("unix://{}", path(name).display()));
        let engines = json!(urls.collect::<Vec<_>>());
        format!(r#"{{"deploy":"d","targets":["127.0.0.1:9001"],"engines":{engines}}}"#)
    };
    site.put(AppKey::Slot(Slot::Blue), &release(&["nowhere.sock"])).await;
    // Before `web`, in the order of names.
    let other: AppName = "api".parse().unwrap();
    let keys = [
        (AppKey::App, r#"{"hosts":["api"]}"#.to_owned()),
        (AppKey::Active, "blue".to_owned()),
        (AppKey::Slot(Slot::Blue), release(&["hangs", "too"])),
    ];
    let put = |txn: Txn, (key, value): (AppKey, String)| txn.put(key.of(&other), value);
    site.store.commit(keys.into_iter().fold(Txn::new(), put)).await.unwrap();
    let daemon = Daemon::start(&site, "[apps.api]\ndeploy_file = \"/nowhere/shunt.toml\"\n").await;
    let asked = tokio::task::spawn_blocking(move || (hang[0].accept().unwrap(), hang));
    let _hang = asked.await.unwrap();
    until("the other one is looked for", async || {
        let log = daemon.process.log();
        let told =
            |line: &&str| line.contains("not looked for containers") && line.contains("app=web");
        log.lines().find(told).map(|line| assert!(line.contains("nowhere.sock"), "{line}"))
    })
    .await;
}
