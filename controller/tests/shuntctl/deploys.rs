//! Deploys on a real engine, with proxies that say what a test wants to hear: what takes a proxy
//! that refuses or keeps silent, or a look at the keys in between.

use e2e::engine::REGISTRY;
use rustix::process::Signal;
use shunt_config::key::AppKey;
use shunt_config::record::Outcome;
use shunt_config::status::{AppStatus, TargetState};
use shunt_config::{Active, Slot};
use shunt_controller::app_keys::AppKeys;

use crate::shop::Shop;
use crate::words::refusal;

/// Whether new requests are to go to version 2.
fn asks_for_two(keys: &AppKeys) -> bool {
    let active = keys.active().map(Active::main);
    let release = active.and_then(|slot| keys.slot(slot)?.ok());
    release.is_some_and(|release| release.version.as_deref() == Some("2"))
}

#[tokio::test]
async fn what_one_proxy_applies_and_another_refuses_is_put_back_with_its_settings() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _one = shop.obedient("lb1").await;
    let _two = shop.proxy("lb2").await.obeys_but(|keys, status| {
        let Some(active) = keys.active.as_ref().filter(|_| asks_for_two(keys)) else {
            return Some(status);
        };
        let refused = vec![refusal("apps/web/active", &active.token, "no")];
        Some(AppStatus { active: None, serving: vec![], refused, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    let before = shop.site.keys().await;
    shop.write_file("hosts = [\"www.example.com\", \"example.com\"]", "");
    shop.deploy("2").await.ended_with(6).says("lb2: no");
    let after = shop.site.keys().await;
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(after.app.unwrap().raw, before.app.unwrap().raw);
    assert!(after.deploy.is_none() && after.draining.is_empty() && after.lock.is_none());
    assert_eq!(shop.containers().await, ["1"]);
    assert_eq!(shop.last_outcome().await, Outcome::Undone);
}

#[tokio::test]
async fn settings_come_with_the_flip_and_go_with_undo() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let old = shop.site.keys().await.app.unwrap().raw;
    shop.write_file("hosts = [\"www.example.com\"]\npaths = [\"/shop\"]", "");
    let mut deploy = shop.stopped_at("before flip", "2").await;
    assert_eq!(shop.site.keys().await.app.unwrap().raw, old, "not before the flip");
    deploy.signal(Signal::USR1);
    assert!(deploy.ended().await.success());
    let new = shop.site.keys().await.app.unwrap().raw;
    assert_ne!(new, old);
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.keys().await.app.unwrap().raw, old);
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.keys().await.app.unwrap().raw, new);
    assert_eq!(shop.containers().await, ["1", "2"]);
}

#[tokio::test]
async fn a_flip_that_a_silent_proxy_never_acknowledges_stops_nothing_and_is_resumed() {
    let shop = Shop::open(&["1", "2", "3"], "[deploy]\nflip_deadline = \"2s\"\n").await;
    let _one = shop.obedient("lb1").await;
    let two = shop.proxy("lb2").await;
    let silent = two.obeys_but(|keys, status| (!asks_for_two(keys)).then_some(status));
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(5).says("lb2").says("shuntctl resume web");
    assert_eq!(shop.site.active().await, "green");
    assert_eq!(shop.containers().await, ["1", "2"]);
    shop.site.run(&["status", "web"]).await.says("half done").says("`acknowledge`");
    // The next deploy would need the slot that lb2 may still serve.
    shop.deploy("3").await.ended_with(5).says("lb2");
    assert_eq!(shop.containers().await, ["1", "2"]);
    drop(silent);
    let _two = shop.obedient("lb2").await;
    shop.site.run(&["resume"]).await.ended_with(0).says("is finished");
    assert_eq!(shop.last_outcome().await, Outcome::Done);
    assert_eq!(shop.containers().await, ["1", "2"]);
}

#[tokio::test]
async fn what_was_never_flipped_to_is_removed_at_once_although_a_proxy_is_lost() {
    let shop = Shop::open(&["1", "2"], "[deploy]\nhealth_deadline = \"3s\"\n").await;
    let one = shop.proxy("lb1").await;
    let _one =
        one.obeys_but(|keys, status| Some(if has_two(keys) { unproved(status) } else { status }));
    shop.deploy("1").await.ended_with(0);
    shop.proxy("lb2").await.dies().await;
    shop.deploy("2").await.ended_with(3).says("from lb1: connect: refused");
    assert_eq!(shop.containers().await, ["1"]);
    assert!(shop.site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn what_was_flipped_to_and_refused_waits_for_a_lost_proxy() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _one = shop.proxy("lb1").await.obeys_but(|keys, status| {
        let Some(active) = keys.active.as_ref().filter(|_| asks_for_two(keys)) else {
            return Some(status);
        };
        let refused = vec![refusal("apps/web/active", &active.token, "no")];
        Some(AppStatus { active: None, serving: vec![], refused, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    shop.proxy("lb2").await.dies().await;
    shop.deploy("2")
        .await
        .ended_with(6)
        .says("not all that was started is removed: lb2 is lost, and is waited for for another");
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1", "2"]);
    shop.site.run(&["proxy", "forget", "lb2"]).await.ended_with(0);
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(shop.containers().await, ["1"]);
    assert!(shop.site.keys().await.draining.is_empty());
}

/// Someone flips to the new release by hand, and back: this deploy did not, and yet a proxy that is
/// lost since may have requests on it.
#[tokio::test]
async fn what_someone_else_has_flipped_to_and_back_waits_for_a_lost_proxy() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _one = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.proxy("lb2").await.dies().await;
    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.site.put(AppKey::Active, "green").await;
    shop.site.put(AppKey::Active, "blue").await;
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert_eq!(shop.containers().await, ["1", "2"]);
}

/// Whether version 2 is announced.
fn has_two(keys: &AppKeys) -> bool {
    let two = |slot| keys.slot(slot)?.ok()?.version.as_deref().filter(|version| *version == "2");
    Slot::BOTH.into_iter().any(|slot| two(slot).is_some())
}

/// The same, but no target is proved.
fn unproved(mut status: AppStatus) -> AppStatus {
    for target in &mut status.targets {
        (target.state, target.last) = (TargetState::Unproved, "connect: refused".to_owned());
    }
    status
}

#[tokio::test]
async fn a_first_deploy_that_fails_leaves_nothing_behind() {
    let shop = Shop::open(&["1"], "[deploy]\nhealth_deadline = \"3s\"\n").await;
    let _proxy = shop.proxy("lb1").await.obeys_but(|_, status| Some(unproved(status)));
    let run = shop.deploy("1").await.ended_with(3);
    run.says("from lb1: connect: refused").says("| release 1 listens");
    let left = shop.site.everything().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.starts_with("apps/web/history/"));
    assert!(shop.containers().await.is_empty());
    shop.deploy("none").await.ended_with(2).says("there is no image");
    assert_eq!(shop.site.everything().await.len(), 2);
}

#[tokio::test]
async fn a_taken_port_is_passed_over_and_a_full_range_is_an_error() {
    let shop = Shop::open(&["1"], "port_range = \"25000-25002\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    let image = format!("{REGISTRY}/acme/web:1");
    let occupy = async |port: u16| {
        let publish = format!("{}:{port}:8080", shop.engine.address());
        shop.engine.docker(&["run", "--detach", "--publish", &publish, &image]).await
    };
    let (first, _) = (occupy(25000).await, occupy(25001).await);
    shop.deploy("1").await.ended_with(0);
    let keys = shop.site.keys().await;
    let address = keys.slot(Slot::Blue).unwrap().ok().unwrap().targets[0].address.to_string();
    assert!(address.ends_with(":25002"), "{address}");
    shop.deploy("1").await.ended_with(3).says("no port of 25000-25002 is free");
    assert_eq!(shop.containers().await.len(), 3);
    shop.engine.docker(&["rm", "--force", &first]).await;
    shop.deploy("1").await.ended_with(0);
}
