//! Two proxies on one cluster of three etcd servers.

use demo::app::App;
use e2e::{Proxy, Store, shuntctl, until};
use tempfile::TempDir;

use crate::site::{HOST, LOOPBACK, release};

struct Pair {
    lb1: Proxy,
    lb2: Proxy,
    store: Store,
    _blue: demo::app::Running,
    _green: demo::app::Running,
}

async fn pair() -> Pair {
    let store = Store::Etcd(e2e::Etcd::cluster(3).await);
    let blue = App::new("1").start(LOOPBACK).unwrap();
    let green = App::new("2").start(LOOPBACK).unwrap();
    store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    store.put("apps/web/blue", release("1", &blue)).await;
    store.put("apps/web/green", release("2", &green)).await;
    store.put("apps/web/active", "blue").await;
    let lb1 = Proxy::start("lb1", &store).await;
    let lb2 = Proxy::start("lb2", &store).await;
    lb1.serves(HOST, "1").await;
    lb2.serves(HOST, "1").await;
    Pair { lb1, lb2, store, _blue: blue, _green: green }
}

#[tokio::test]
async fn a_flip_returns_when_both_proxies_serve_it() {
    let pair = pair().await;
    for (slot, release) in [("green", "2"), ("blue", "1"), ("green", "2")] {
        let run = shuntctl(&pair.store, &["flip", "web", slot]).await.ended_with(0);
        assert_eq!(pair.lb1.release(HOST).await, release, "{run}");
        assert_eq!(pair.lb2.release(HOST).await, release, "{run}");
    }
}

#[tokio::test]
async fn a_flip_names_the_proxy_that_it_waits_for() {
    let pair = pair().await;
    pair.lb2.signal(rustix::process::Signal::STOP);
    let short = ["flip", "web", "green", "--timeout", "3s"];
    let run = shuntctl(&pair.store, &short).await.ended_with(5);
    assert!(run.text().contains("lb2") && !run.text().contains("lb1"), "{run}");
    assert_eq!(pair.lb1.release(HOST).await, "2");
    pair.lb2.signal(rustix::process::Signal::CONT);
    pair.lb2.serves(HOST, "2").await;
}

#[tokio::test]
async fn a_killed_proxy_holds_up_no_flip_once_its_lease_is_gone_but_holds_up_the_drain() {
    let mut pair = pair().await;
    pair.lb2.kill().await;
    let run = shuntctl(&pair.store, &["flip", "web", "green"]).await.ended_with(0);
    assert!(run.text().contains("lb2"), "the lost proxy is not named: {run}");
    assert_eq!(pair.lb1.release(HOST).await, "2");
    let drained = ["flip", "web", "green", "--wait", "drained", "--timeout", "2s"];
    let run = shuntctl(&pair.store, &drained).await.ended_with(5);
    assert!(run.text().contains("lb2"), "{run}");

    // Forgotten, it is waited for no more.
    let directory = TempDir::new().unwrap();
    let long = ["flip", "web", "green", "--wait", "drained", "--timeout", "60s"];
    let mut waiting = e2e::start_shuntctl(&pair.store, &long, directory.path(), None);
    let _ = shuntctl(&pair.store, &["proxy", "forget", "lb2"]).await.ended_with(0);
    assert!(waiting.ended().await.success(), "{}", waiting.log());

    // And one that is back counts again.
    pair.lb2.run();
    pair.lb2.serves(HOST, "2").await;
    until("lb2 is known again", async || {
        pair.store.keys("fleet/").await.contains(&"fleet/lb2".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_flip_goes_through_while_the_leader_of_etcd_is_killed() {
    let mut pair = pair().await;
    let leader = pair.store.servers().leader().await;
    let directory = TempDir::new().unwrap();
    let flip = ["flip", "web", "green"];
    let mut waiting = e2e::start_shuntctl(&pair.store, &flip, directory.path(), None);
    pair.store.servers().kill(leader).await;
    let ended = waiting.ended().await;
    let code = ended.code();
    assert!(matches!(code, Some(0 | 7)), "{ended}: {}", waiting.log());
    // Whether the first one was cut short or not, the store has lost nothing.
    let _ = shuntctl(&pair.store, &flip).await.ended_with(0);
    pair.lb1.serves(HOST, "2").await;
    pair.lb2.serves(HOST, "2").await;
}
