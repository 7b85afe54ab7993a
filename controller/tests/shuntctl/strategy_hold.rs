//! Deploys by strategy `hold` on a real engine, with proxies that say what a test wants to hear.

use std::time::Duration;

use e2e::wait::within;
use e2e::{Engine, until};
use rustix::process::Signal;
use shunt_config::hold::Then;
use shunt_config::key::AppKey;
use shunt_config::record::Outcome;
use shunt_config::{Active, Slot};

use crate::gate::Gate;
use crate::shop::Shop;

const HOLD: &str = "[hooks]\nmigrate = \"true\"\n[deploy]\nstrategy = \"hold\"\n\
                    drain_timeout = \"2s\"\nhealth_deadline = \"20s\"\n";

/// How many containers run on the first host.
async fn running(shop: &Shop) -> usize {
    running_on(&shop.engine).await
}

async fn running_on(engine: &Engine) -> usize {
    let all = engine.containers().await;
    all.iter().filter(|container| container.state == "running").count()
}

#[tokio::test]
async fn the_old_release_is_stopped_before_the_new_one_starts_and_does_not_come_back() {
    let shop = Shop::open(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before migrate", "2").await;
    assert_eq!((running(&shop).await, shop.containers().await), (0, vec!["1".to_owned()]));
    let keys = shop.site.keys().await;
    let hold = keys.hold.as_ref().unwrap().ok().unwrap();
    assert_eq!(hold.then(), Then::Refuse, "time alone lets nothing through");
    assert_eq!(hold.deploy.as_ref(), Some(&keys.record().unwrap().id));
    shop.site.run(&["status", "web"]).await.says("held").says("by deploy");
    shop.site.run(&["release", "web"]).await.ended_with(4);
    deploy.signal(Signal::USR1);
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert!(!deploy.log().contains("but `web` is held"), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: - 2");
    assert_eq!(shop.containers().await, ["2"]);
    let keys = shop.site.keys().await;
    assert!(keys.hold.is_none() && keys.deploy.is_none() && keys.draining.is_empty());
    let steps = &keys.history.values().last().unwrap().ok().unwrap().steps;
    let migrate = steps.iter().find(|time| time.step.as_str() == "migrate").unwrap();
    assert!(migrate.ended.is_some());
    shop.site.run(&["undo"]).await.ended_with(2).says("strategy `hold`");
}

#[tokio::test]
async fn what_fails_after_the_old_release_was_stopped_starts_it_again() {
    let shop = Shop::open(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let (before, containers) = (shop.slots().await, shop.engine.containers().await);
    let restored = async |what: &str| {
        assert_eq!(shop.slots().await, before, "{what}");
        let after = shop.engine.containers().await;
        assert_eq!((after.len(), &after[0].id), (1, &containers[0].id), "{what}");
        assert_eq!(running(&shop).await, 1, "{what}");
        let keys = shop.site.keys().await;
        assert!(keys.hold.is_none() && keys.deploy.is_none() && keys.draining.is_empty(), "{what}");
    };
    let failing = HOLD.replace("\"true\"", "\"echo no such table; exit 3\"");
    shop.write_file("hosts = [\"www.example.com\"]", &failing);
    shop.deploy("2").await.ended_with(9).says("code 3").says("no such table");
    restored("migrate").await;
    assert_eq!(shop.last_outcome().await, Outcome::Failed);
    shop.write_file("hosts = [\"www.example.com\"]", HOLD);
    // The last one is when `release` is written down as begun, and requests wait on.
    let moments = ["before stop", "after stop", "after prove", "after flip", "before release"];
    for moment in moments {
        let mut deploy = shop.stopped_at(moment, "2").await;
        shop.site.run(&["undo"]).await.ended_with(0);
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        restored(moment).await;
    }
}

#[tokio::test]
async fn what_was_let_go_is_not_undone_but_finished() {
    let shop = Shop::open(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("after release", "2").await;
    shop.site.run(&["undo"]).await.ended_with(2).says("strategy `hold`");
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(0), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: - 2");
    assert_eq!(shop.containers().await, ["2"]);
}

#[tokio::test]
async fn a_proxy_that_is_lost_or_not_empty_ends_the_deploy_with_nothing_stopped() {
    let shop = Shop::open(&["1", "2"], HOLD).await;
    let one = shop.proxy("lb1").await;
    let _one = one.obeys_but(|keys, mut status| {
        let busy = keys.slot(Slot::Blue).map(|kept| (kept.token.clone(), 3));
        let hold = status.hold.as_mut();
        if let Some(hold) = hold {
            hold.leases.extend(busy.clone());
        }
        Some(status)
    });
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(5).says("3 requests on lb1").says("nothing was stopped");
    let whole = async || {
        assert_eq!((shop.slots().await, running(&shop).await), ("blue: 1 -".to_owned(), 1));
        assert!(shop.site.keys().await.hold.is_none());
    };
    whole().await;
    shop.proxy("lb2").await.dies().await;
    shop.deploy("2").await.ended_with(5).says("lb2, lost");
    whole().await;
}

#[tokio::test]
async fn what_cannot_be_held_or_stopped_is_refused_before_it_begins() {
    let shop = Shop::open(&["1"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.site.put(AppKey::Hold, r#"{"mode":"maintenance"}"#).await;
    let before = shop.site.everything().await;
    shop.deploy("1").await.ended_with(2).says("`shuntctl maintenance web off`");
    assert_eq!(shop.site.everything().await, before);
    shop.site.delete(AppKey::Hold).await;
    shop.site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    shop.site.run(&["flip", "web"]).await.ended_with(0);
    shop.deploy("1").await.ended_with(2).says("no deploy has started it");
    assert_eq!(shop.site.keys().await.active(), Some(Active::all(Slot::Green)));
}

#[tokio::test]
async fn someone_elses_hold_in_the_middle_stays_and_the_old_release_is_back() {
    let shop = Shop::open(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("after hold", "2").await;
    let token = shop.site.put(AppKey::Hold, r#"{"mode":"maintenance"}"#).await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.keys().await.hold.unwrap().token, token);
    until("it runs", async || (running(&shop).await == 1).then_some(())).await;
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn a_host_that_is_gone_for_good_is_left_behind_as_the_refusals_say() {
    const ROUTE: &str = "hosts = [\"www.example.com\"]";
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let two = shop.second_host(&["1", "2", "3"], ROUTE, HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let gone = two.host();
    drop(two);
    shop.write_file(ROUTE, HOLD);
    let refused = shop.deploy("2").await.ended_with(7);
    refused.says("nothing was stopped").says("deploy once by another strategy").says(&gone);
    assert_eq!((shop.slots().await, running(&shop).await), ("blue: 1 -".to_owned(), 1));
    shop.write_file(ROUTE, "");
    shop.deploy("2").await.ended_with(0);
    shop.write_file(ROUTE, HOLD);
    let way = format!("`shuntctl retire web`, then `shuntctl resume web --forget {gone}`");
    shop.deploy("3").await.ended_with(7).says(&way);
    assert_eq!(shop.slots().await, "green: 1 2");
    shop.site.run(&["retire", "web"]).await;
    let way = format!("will not come back: `shuntctl resume web --forget {gone}`");
    shop.deploy("3").await.ended_with(7).says(&way);
    shop.site.run(&["resume", "web", "--forget", &gone]).await.ended_with(0);
    shop.deploy("3").await.ended_with(0);
    assert_eq!((shop.slots().await, running(&shop).await), ("blue: 3 -".to_owned(), 1));
}

#[tokio::test]
async fn a_host_that_hangs_keeps_visitors_from_none_of_what_is_on_another_and_comes_after_that() {
    const ROUTE: &str = "hosts = [\"www.example.com\"]";
    let shop = Shop::open(&["1", "2"], "").await;
    let two = shop.second_host(&["1", "2"], ROUTE, "").await;
    let gate = Gate::before(&two.host());
    let host = |engine: String, at: &Engine| {
        format!("{{ engine = \"{engine}\", address = \"{}\" }}", at.address())
    };
    let hosts = [host(shop.engine.host(), &shop.engine), host(gate.host(), &two)];
    let failing = HOLD.replace("\"true\"", "\"exit 3\"");
    let settings = format!("replicas = 2\n{failing}");
    let hosts = format!("[{}]", hosts.join(", "));
    let _proxy = shop.obedient("lb1").await;
    shop.write_file_for(&hosts, ROUTE, "replicas = 2\n");
    shop.deploy("1").await.ended_with(0);
    shop.write_file_for(&hosts, ROUTE, &settings);
    let mut deploy = shop.stopped_at("before migrate", "2").await;
    assert_eq!((running(&shop).await, running_on(&two).await), (0, 0), "{}", deploy.log());
    gate.keep_back("/containers/json");
    deploy.signal(Signal::USR1);
    gate.has_one().await;
    // An engine's own time is a minute.
    within(Duration::from_secs(30), "requests are let through", async || {
        shop.site.keys().await.hold.is_none().then_some(())
    })
    .await;
    assert_eq!(running(&shop).await, 1, "{}", deploy.log());
    assert_eq!(deploy.ended().await.code(), Some(9), "{}", deploy.log());
    // It was kept waiting once; the next time it is asked it answers.
    assert_eq!((running(&shop).await, running_on(&two).await), (1, 1), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue: 1 -");
}
