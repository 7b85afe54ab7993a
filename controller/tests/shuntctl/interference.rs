//! Deploys on a real engine that someone interferes with: `undo`, signals, another's keys.

use rustix::process::Signal;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::{Outcome, Stage};

use crate::shop::Shop;

#[tokio::test]
async fn undo_before_the_flip_is_acknowledged_puts_everything_back() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    for moment in ["after start", "after announce", "before flip", "after flip"] {
        let mut deploy = shop.stopped_at(moment, "3").await;
        shop.site.run(&["undo"]).await.ended_with(0);
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        let slots = shop.slots().await;
        assert_eq!(slots, "green: 1 2", "{moment}");
        assert_eq!(shop.containers().await, ["1", "2"], "{moment}");
        assert_eq!(shop.last_outcome().await, Outcome::Undone, "{moment}");
    }
    // What undo went back to before is there again.
    let keys = shop.site.keys().await;
    assert_eq!(keys.record().unwrap().stage, Stage::Warm);
    shop.site.run(&["undo"]).await.ended_with(0).says("goes back to blue");
}

#[tokio::test]
async fn undo_after_the_flip_is_acknowledged_goes_back_and_keeps_the_new_release_warm() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    let mut deploy = shop.stopped_at("after acknowledge", "3").await;
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 3 2");
    assert_eq!(shop.containers().await, ["2", "3"], "1 was condemned with the acknowledgement");
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.active().await, "blue");
}

#[tokio::test]
async fn a_signal_undoes_what_can_be_undone_and_frees_the_lock() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    for (moment, signal) in [("before check", Signal::INT), ("after flip", Signal::TERM)] {
        let mut deploy = shop.stopped_at(moment, "2").await;
        deploy.signal(signal);
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        assert_eq!(shop.slots().await, "blue: 1 -", "{moment}");
        assert!(shop.site.keys().await.lock.is_none());
        assert_eq!(shop.containers().await, ["1"], "{moment}");
    }
    let mut deploy = shop.stopped_at("after acknowledge", "2").await;
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(0), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn someone_elses_flip_or_announcement_in_the_middle_stays() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.site.put(AppKey::Slot(Slot::Green), "127.0.0.1:9002").await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    let keys = shop.site.keys().await;
    assert_eq!(keys.slot(Slot::Green).unwrap().text(), "127.0.0.1:9002");
    assert_eq!(shop.site.active().await, "blue");
    assert_eq!(shop.containers().await, ["1"]);

    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.site.put(AppKey::Active, "blue:99,green:1").await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.active().await, "blue:99,green:1");
    assert_eq!(shop.containers().await, ["1", "2"], "both are asked for");
}
