//! What runs below and beside a deploy fails: containers, the engine, etcd.

use std::time::Duration;

use e2e::{Etcd, Store, until};
use rustix::process::Signal;

use crate::shop::Shop;
use crate::site::{HOST, answers};

/// The controller's and the proxies' leases.
const LEASE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_container_that_dies_and_an_engine_that_restarts_come_back_on_the_same_targets() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    let active = shop.active().await;
    let release = shop.store.get(&format!("apps/web/{active}")).await.unwrap();
    let container = shop.engine.containers().await[0].id.clone();
    let pid = shop.engine.pid(&container).await;
    shop.engine.kill_process_of(&container).await;
    until("another process runs", async || {
        let now = shop.engine.pid(&container).await;
        (now != pid && now != 0).then_some(())
    })
    .await;
    shop.proxies[0].serves(HOST, "1").await;
    shop.engine.restart().await;
    shop.proxies[0].serves(HOST, "1").await;
    assert_eq!(shop.store.get(&format!("apps/web/{active}")).await.unwrap(), release);
    // And the next deploy finds its way.
    shop.deploy("2").await;
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
}

#[tokio::test]
async fn etcd_away_for_twice_the_lease_in_the_middle_of_a_deploy_stops_nothing() {
    let mut shop = Shop::open().await;
    shop.deploy("1").await;
    shop.engine.publish_demo("2", &[]).await;
    let load = shop.load(8);
    let mut deploy = shop.stopped_at("after flip", "2").await;
    answers(&load, "2", 50).await;
    shop.store.servers().kill_all().await;
    deploy.signal(Signal::USR1);
    tokio::time::sleep(2 * LEASE).await;
    shop.only(&["1", "2"]).await;
    shop.store.servers().start_all().await;
    let ended = deploy.ended().await;
    println!("the deploy ended with {ended}:\n{}", deploy.log());
    assert_eq!(shop.running().await, ["1", "2"]);
    let _ = shop.run(&["resume"]).await.ended_with(0);
    shop.only(&["1", "2"]).await;
    let serving = shop.proxies[0].release(HOST).await;
    answers(&load, &serving, 50).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    shop.deploy("3").await;
    assert_eq!(shop.proxies[0].release(HOST).await, "3");
}

#[tokio::test]
async fn a_deploy_goes_through_although_the_leader_of_etcd_is_killed() {
    let mut shop = Shop::with(Store::Etcd(Etcd::cluster(3).await), &["lb1", "lb2"], "").await;
    shop.deploy("1").await;
    shop.engine.publish_demo("2", &[]).await;
    let load = shop.load(8);
    let mut deploy = shop.stopped_at("before flip", "2").await;
    let leader = shop.store.servers().leader().await;
    shop.store.servers().kill(leader).await;
    deploy.signal(Signal::USR1);
    let ended = deploy.ended().await;
    assert!(ended.success(), "{ended}: {}", deploy.log());
    answers(&load, "2", 50).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    for proxy in &shop.proxies {
        assert_eq!(proxy.release(HOST).await, "2");
    }
    shop.only(&["1", "2"]).await;
}

#[tokio::test]
async fn a_proxy_that_is_lost_does_not_hold_up_the_flip_but_keeps_the_old_release_running() {
    let mut shop = Shop::with(Store::etcd().await, &["lb1", "lb2"], "").await;
    shop.deploy("1").await;
    shop.deploy("2").await;
    shop.proxies[1].kill().await;
    // 3 replaces 1, which is not stopped while a proxy that may serve it is not heard of.
    let run = shop.deploy("3").await;
    assert!(run.text().contains("lb2"), "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "3");
    assert_eq!(shop.running().await, ["1", "2", "3"], "{run}");
    shop.proxies[1].run();
    shop.proxies[1].serves(HOST, "3").await;
    // The lease of the process that was killed has to run out before lb2 is believed.
    until("release 1 is retired once lb2 is heard of", async || {
        let _ = shop.run(&["resume"]).await.ended_with(0);
        (shop.running().await == ["2", "3"]).then_some(())
    })
    .await;
}
