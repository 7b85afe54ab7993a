//! The controller killed, and paused, in the middle of its work.

use e2e::{Store, until};
use rustix::process::Signal;

use crate::shop::Shop;
use crate::site::{HOST, answers};

/// Of the moments, the ones between which the state of the world differs most.
const SHORT: [&str; 6] = [
    "after migrate",
    "after start",
    "after announce",
    "after flip",
    "after workers",
    "before retire",
];

/// What the deploy file asks for, so that the plan has every step that there is.
const BAKE: &str = "[deploy]\nbake = \"100ms\"\nstop_timeout = \"1s\"\n";
const HOOKS: &str = "[hooks]\nmigrate = \"true\"\nverify = [\"true\", \"true\"]\n\
    flipped = \"true\"\nfinish = \"true\"\n[workers.jobs]\ncommand = [\"--port\", \"9\"]\nsettle = \"100ms\"\n";

#[tokio::test]
async fn a_deploy_killed_at_any_step_is_named_and_repaired_and_leaves_no_container_behind() {
    let shop = Shop::with(Store::etcd().await, &["lb1"], &format!("{BAKE}{HOOKS}")).await;
    killed_at_each(&shop, &SHORT).await;
}

#[tokio::test]
async fn a_canary_killed_at_any_step_is_named_and_repaired_and_leaves_no_container_behind() {
    let canary = "strategy = \"canary\"\n[canary]\nsteps = [{ percent = 10, for = \"100ms\" }, \
                  { percent = 50, for = \"100ms\" }]\n";
    let mirror = "[mirror]\npercent = 100\nfor = \"100ms\"\nrequests = 1\n";
    let settings = format!("{BAKE}{canary}{mirror}{HOOKS}");
    let shop = Shop::with(Store::etcd().await, &["lb1"], &settings).await;
    killed_at_each(&shop, &["after bake"]).await;
}

/// Kills a deploy at each moment of its plan, of which the short version takes some.
async fn killed_at_each(shop: &Shop, short: &[&str]) {
    shop.deploy("before").await;
    shop.deploy("0").await;
    let load = shop.load(8);
    let moments = shop.moments(short).await;
    let mut last = "0".to_owned();
    for (number, moment) in moments.iter().enumerate() {
        let version = format!("{}", number + 1);
        shop.killed_at(moment, &version).await;
        // Either verb repairs it.
        let serving = shop.proxies[0].release(HOST).await;
        assert!(serving == version || serving == last, "killed {moment}: {serving} serves");
        if number % 2 == 0 {
            let _ = shop.run(&["resume"]).await.ended_with(0);
            last = shop.proxies[0].release(HOST).await;
        } else {
            let again = ["deploy", "--tag", &version, "--lock-wait", "1m"];
            let _ = shop.run(&again).await.ended_with(0);
            last = version;
        }
        whole(shop, moment, &last).await;
    }
    answers(&load, &last, 50).await;
    let report = load.stop().await;
    println!("killed {} times: {report}", moments.len());
    assert_eq!(report.failed(), 0, "{report}");
}

/// Nothing is half done: the lock is free, and each container is one that a slot's key names.
async fn whole(shop: &Shop, moment: &str, serving: &str) {
    for key in ["lock", "mirror"] {
        let left = shop.store.get(&format!("apps/web/{key}")).await;
        assert!(left.is_none(), "killed {moment}: {key} is left");
    }
    assert_eq!(shop.proxies[0].release(HOST).await, serving, "killed {moment}");
    let mut named = 0;
    for slot in ["blue", "green"] {
        let Some(release) = shop.store.get(&format!("apps/web/{slot}")).await else { continue };
        let release: serde_json::Value = serde_json::from_str(&release).unwrap();
        named += release["targets"].as_array().map_or(0, Vec::len);
        let workers = release["workers"].as_object().into_iter().flatten();
        named += workers.filter_map(|(_, n)| usize::try_from(n.as_u64()?).ok()).sum::<usize>();
    }
    let containers = shop.engine.containers().await;
    assert_eq!(containers.len(), named, "killed {moment}: {containers:#?}");
    let draining = shop.store.keys("apps/web/draining/").await;
    assert!(draining.is_empty(), "killed {moment}: {draining:?}");
}

#[tokio::test]
async fn a_deploy_paused_until_its_lock_is_gone_changes_nothing_when_it_goes_on() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    for version in ["2", "3"] {
        shop.engine.publish_demo(version, &[]).await;
    }
    let mut paused = shop.stopped_at("before flip", "2").await;
    paused.signal(Signal::STOP);
    until("its lock is gone", async || {
        shop.store.get("apps/web/lock").await.is_none().then_some(())
    })
    .await;
    let _ = shop.run(&["deploy", "--tag", "3", "--lock-wait", "1m"]).await.ended_with(0);
    let (active, containers) = (shop.active().await, shop.engine.containers().await);
    paused.signal(Signal::CONT);
    paused.signal(Signal::USR1);
    let ended = paused.ended().await;
    assert!(!ended.success(), "{}", paused.log());
    assert_eq!(shop.active().await, active);
    assert_eq!(shop.engine.containers().await, containers);
    assert_eq!(shop.proxies[0].release(HOST).await, "3");
    shop.only(&["1", "3"]).await;
}
