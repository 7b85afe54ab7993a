//! Deploys of releases that must not run side by side: requests wait in the proxies meanwhile.

use std::time::Duration;

use demo::load::{Load, Running, Work};
use e2e::{Store, until};
use rustix::process::Signal;

use crate::shop::Shop;
use crate::site::{HOST, answers, soak};

/// A deploy file's end, for a `migrate` that is this command.
fn settings(migrate: &str) -> String {
    format!(
        "[hooks]\nmigrate = {migrate:?}\n[deploy]\nstrategy = \"hold\"\nhold_timeout = \"5m\"\n"
    )
}

/// Clients that have the patience to wait, and send no more than they have to.
fn patient(shop: &Shop, clients: usize) -> Running {
    let load = Load::on(shop.proxies[0].address()).host(HOST).patience(Duration::from_mins(5));
    load.kept_alive(clients, [Work::Page]).pace(Duration::from_secs(1)).start().unwrap()
}

/// Waits until `n` requests wait in the first proxy.
async fn waiting(shop: &Shop, n: usize) {
    until(&format!("{n} requests wait"), async || {
        let held = shop.proxies[0].metric(r#"shunt_held_requests{app="web"}"#).await?;
        (held == n.to_string()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_wait_through_a_migration_and_are_answered_by_the_new_release_alone() {
    let (count, migrate) = if soak() { (2000, "sleep 5") } else { (300, "sleep 2") };
    let shop = Shop::with(Store::etcd().await, &["lb1"], &settings(migrate)).await;
    shop.deploy("1").await;
    shop.engine.publish_demo("2", &[]).await;
    let mut deploy = shop.stopped_at("before migrate", "2").await;
    assert!(shop.running().await.is_empty(), "neither release runs");
    let load = patient(&shop, count);
    waiting(&shop, count).await;
    assert_eq!(load.finished(), 0);
    deploy.signal(Signal::USR1);
    let ended = deploy.ended().await;
    assert!(ended.success(), "{ended}: {}", deploy.log());
    answers(&load, "2", 1).await;
    until("all of them are answered", async || {
        (load.answered_by("2") >= count as u64).then_some(())
    })
    .await;
    let report = load.stop().await;
    println!("{count} requests waited: {report}");
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["2"], "{report}");
    // What was stopped does not come back.
    shop.only(&["2"]).await;
    assert!(shop.store.get("apps/web/hold").await.is_none());
    let undo = shop.run(&["undo"]).await.ended_with(2);
    assert!(undo.text().contains("strategy `hold`"), "{undo}");
}

#[tokio::test]
async fn a_migration_that_fails_brings_the_old_release_back_and_loses_no_request() {
    let shop = Shop::with(Store::etcd().await, &["lb1"], &settings("sleep 1; exit 3")).await;
    // The first one has nothing to hold for, and its migration fails as well.
    let text = std::fs::read_to_string(shop.file()).unwrap();
    std::fs::write(shop.file(), text.replace("exit 3", "exit 0")).unwrap();
    shop.deploy("1").await;
    std::fs::write(shop.file(), text).unwrap();
    let before = shop.engine.containers().await;
    let load = patient(&shop, 50);
    answers(&load, "1", 50).await;
    shop.engine.publish_demo("2", &[]).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(9);
    assert!(run.text().contains("ended with code 3"), "{run}");
    answers(&load, "1", 100).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["1"], "{report}");
    let after = shop.engine.containers().await;
    assert_eq!(after[0].id, before[0].id, "it is the same container");
    shop.only(&["1"]).await;
    assert!(shop.store.get("apps/web/hold").await.is_none());
}

#[tokio::test]
async fn a_lost_proxy_ends_the_deploy_before_anything_is_stopped_or_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let touched = directory.path().join("migrated");
    let migrate = format!("touch {}", touched.display());
    let mut shop = Shop::with(Store::etcd().await, &["lb1", "lb2"], &settings(&migrate)).await;
    shop.deploy("1").await;
    std::fs::remove_file(&touched).unwrap();
    shop.engine.publish_demo("2", &[]).await;
    let load = patient(&shop, 20);
    let mut deploy = shop.stopped_at("before stop", "2").await;
    shop.proxies[1].kill().await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(5), "{}", deploy.log());
    assert!(deploy.log().contains("lb2"), "{}", deploy.log());
    assert!(!touched.exists());
    shop.only(&["1"]).await;
    assert!(shop.store.get("apps/web/hold").await.is_none());
    answers(&load, "1", 40).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    // Nor does another begin.
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(5);
    assert!(run.text().contains("lb2"), "{run}");
    shop.only(&["1"]).await;
}

/// Of the moments, the ones between which the state of the world differs most.
const SHORT: [&str; 6] =
    ["after hold", "before stop", "after stop", "after flip", "before release", "before retire"];

#[tokio::test]
async fn a_deploy_that_holds_killed_at_any_step_is_repaired_and_loses_no_request() {
    // All that a plan may have, so that no step is left out.
    let more = "verify = \"true\"\nflipped = \"true\"\nfinish = \"true\"\n\
                [workers.jobs]\ncommand = [\"--port\", \"9\"]\nsettle = \"100ms\"\n[deploy]\nstop_timeout = \"1s\"\n";
    let settings = settings("true").replacen("[deploy]\n", more, 1);
    let shop = Shop::with(Store::etcd().await, &["lb1"], &settings).await;
    shop.deploy("0").await;
    let load = patient(&shop, 20);
    let moments = shop.moments(&SHORT).await;
    let mut last = "0".to_owned();
    for (number, moment) in moments.iter().enumerate() {
        let version = format!("{}", number + 1);
        shop.killed_at(moment, &version).await;
        // Each of these repairs it.
        match number % 3 {
            0 => drop(shop.run(&["resume"]).await.ended_with(0)),
            1 => {
                let again = ["deploy", "--tag", &version, "--lock-wait", "1m"];
                drop(shop.run(&again).await.ended_with(0));
            }
            // What was let go of is not undone, but it is finished.
            _ => {
                let undo = shop.run(&["undo"]).await;
                assert!([0, 2].contains(&undo.code), "killed {moment}: {undo}");
                drop(shop.run(&["resume"]).await.ended_with(0));
            }
        }
        let serving = shop.proxies[0].release(HOST).await;
        assert!(serving == version || serving == last, "killed {moment}: {serving} serves");
        answers(&load, &serving, 20).await;
        // It and its worker.
        shop.only(&[&serving, &serving]).await;
        for key in ["lock", "hold", "deploy"] {
            let left = shop.store.get(&format!("apps/web/{key}")).await;
            assert_eq!(left, None, "killed {moment}: {key}");
        }
        let draining = shop.store.keys("apps/web/draining/").await;
        assert!(draining.is_empty(), "killed {moment}: {draining:?}");
        last = serving;
    }
    let report = load.stop().await;
    println!("killed {} times: {report}", moments.len());
    assert_eq!(report.failed(), 0, "{report}");
}
