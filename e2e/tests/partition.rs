//! A machine that is cut off from the store in the middle of a deploy.

use std::time::Duration;

use demo::load::{Load, Running, Work};
use e2e::{Proxy, Relay, Store, until};
use rustix::process::Signal;

use crate::shop::Shop;
use crate::site::{HOST, answers};

const SETTINGS: &str = "[deploy]\nflip_deadline = \"3s\"\nstop_timeout = \"1s\"\n";

fn gentle(proxy: &Proxy) -> Running {
    let load = Load::on(proxy.address()).host(HOST).kept_alive(4, [Work::Page]);
    load.fresh(1, [Work::Page]).pace(Duration::from_millis(10)).start().unwrap()
}

/// One proxy is here, the other on the droplet that runs the releases, which has an engine, a network
/// and a firewall of its own.
#[tokio::test]
async fn a_proxy_cut_off_from_the_store_keeps_what_it_serves_running_and_catches_up_when_it_is_back()
 {
    let mut store = Store::etcd().await;
    let etcd = store.servers().address(0);
    let mut shop = Shop::with(store, &["lb1"], SETTINGS).await;
    let relay = Relay::at(shop.engine.gateway().into(), etcd).await;
    let section = format!("[store]\netcd = [\"http://{}\"]\n", relay.address());
    let mut lb2 = Proxy::beside(&shop.engine, "lb2", &section);
    lb2.run();
    lb2.ready().await;
    shop.proxies.push(lb2);
    let [lb1, lb2] = [&shop.proxies[0], &shop.proxies[1]];
    shop.deploy("1").await;
    let (here, there) = (gentle(lb1), gentle(lb2));
    answers(&here, "1", 20).await;
    answers(&there, "1", 20).await;

    shop.engine.publish_demo("2", &[]).await;
    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.engine.wall_off(relay.address().port(), true).await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(5), "{}", deploy.log());
    let said = deploy.log();
    assert!(said.contains("not acknowledged in time: waiting for lb2 ("), "{said}");
    assert!(!said.contains("lb1 ("), "{said}");
    println!("{said}");
    answers(&here, "2", 20).await;
    answers(&there, "1", 20).await;
    shop.only(&["1", "2"]).await;

    // Once it is known to be lost no flip waits for it, and still nothing that it may serve is stopped:
    // neither by hand, nor when its slot is wanted for the next release.
    until("it is known to be lost", async || {
        let listed = shop.run(&["proxy", "list"]).await.ended_with(0);
        listed
            .output
            .lines()
            .any(|line| line.contains("lb2") && line.contains("lost"))
            .then_some(())
    })
    .await;
    let _ = shop.run(&["resume"]).await.ended_with(0);
    let run = shop.run(&["retire"]).await.ended_with(5);
    assert!(run.text().contains("lb2"), "{run}");
    let run = shop.deploy("3").await;
    assert!(run.text().contains("lb2"), "{run}");
    answers(&here, "3", 20).await;
    answers(&there, "1", 20).await;
    shop.only(&["1", "2", "3"]).await;

    shop.engine.wall_off(relay.address().port(), false).await;
    answers(&there, "3", 20).await;
    assert_eq!(there.answered_by("2"), 0, "it missed that one");
    until("what it served is stopped", async || {
        let _ = shop.run(&["resume"]).await.ended_with(0);
        (shop.running().await == ["2", "3"]).then_some(())
    })
    .await;
    let run = shop.run(&["retire"]).await.ended_with(0);
    assert_eq!(shop.running().await, ["3"], "{run}");
    for load in [here, there] {
        let report = load.stop().await;
        assert_eq!(report.failed(), 0, "{report}");
    }
}
