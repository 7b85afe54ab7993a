//! What is done on a real engine by one who has lost the lock, or by two at once, and where an engine is
//! away. A gate before the engine says when it is reached.

use std::time::Duration;

use e2e::wait::within;
use rustix::process::Signal;
use shunt_config::key::AppKey;

use crate::gate::Gate;
use crate::shop::Shop;

const ROUTE: &str = "hosts = [\"www.example.com\"]";

const HOLD: &str = "replicas = 2\n[deploy]\nstrategy = \"hold\"\ndrain_timeout = \"2s\"\n\
                    health_deadline = \"3s\"\n";

/// A bake, or a canary, that no test waits for, and a check that shows that it goes on.
const WATCHED: [&str; 2] = [
    "[deploy]\nbake = \"5m\"\n[guard.checks.beat]\ninterval = \"100ms\"\ncommand = \"echo >> beats\"\n",
    "[deploy]\nstrategy = \"canary\"\n[canary]\nsteps = [{ percent = 10, pause = true }]\n\
     [guard.checks.beat]\ninterval = \"100ms\"\ncommand = \"echo >> beats\"\n",
];

const WORKERS: &str = "[workers.jobs]\ncommand = [\"--port\", \"9\"]\nsettle = \"100ms\"\n\
                       [deploy]\nstop_timeout = \"100ms\"\n";

/// Images of these versions on an engine behind a gate.
async fn behind_a_gate(versions: &[&str], settings: &str) -> (Shop, Gate) {
    let shop = Shop::open(versions, "").await;
    let gate = Gate::before(&shop.engine.host());
    shop.write_file_for(&format!("[{:?}]", gate.host()), ROUTE, settings);
    (shop, gate)
}

/// The same for deploys that hold, with a gate for the host of each slot: blue's, and green's.
async fn a_gate_for_each_slot() -> (Shop, Gate, Gate) {
    let (shop, one) = behind_a_gate(&["1", "2"], HOLD).await;
    let two = Gate::before(&shop.engine.host());
    let hosts = format!("{{ blue = [{:?}], green = [{:?}] }}", one.host(), two.host());
    shop.write_file_for(&hosts, ROUTE, HOLD);
    (shop, one, two)
}

/// The versions of those that run; workers not among them.
async fn running(shop: &Shop) -> Vec<String> {
    let mut all = Vec::new();
    for container in shop.engine.containers().await {
        if container.state == "running" && !container.labels.contains_key("shunt.worker") {
            all.push(shop.version(&container.id).await);
        }
    }
    all.sort();
    all
}

/// The versions of the workers that run.
async fn workers(shop: &Shop) -> Vec<String> {
    let mut all = Vec::new();
    for container in shop.engine.containers().await {
        if container.state == "running" && container.labels.contains_key("shunt.worker") {
            all.push(shop.version(&container.id).await);
        }
    }
    all.sort();
    all
}

/// The lock goes, as it does at the store when nothing is heard of its holder.
async fn lose_the_lock(shop: &Shop) {
    shop.site.delete(AppKey::Lock).await;
}

#[tokio::test]
async fn what_was_deployed_while_one_who_lost_the_lock_waited_for_an_engine_is_no_orphan() {
    let (shop, gate) = behind_a_gate(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    gate.keep_back("/containers/json");
    let mut late = shop.site.begin(&["resume"], None);
    gate.has_one().await;
    lose_the_lock(&shop).await;
    shop.deploy("2").await.ended_with(0);
    gate.let_go();
    assert_eq!(late.ended().await.code(), Some(7), "{}", late.log());
    assert_eq!(running(&shop).await, ["1", "2"], "{}", late.log());
}

#[tokio::test]
async fn a_stop_that_was_held_up_until_another_has_deployed_stops_nothing_of_it() {
    let (shop, gate) = behind_a_gate(&["1", "2", "3"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut late = shop.stopped_at("before stop", "2").await;
    gate.keep_back("/containers/json");
    late.signal(Signal::USR1);
    gate.has_one().await;
    lose_the_lock(&shop).await;
    shop.deploy("3").await.ended_with(0);
    assert_eq!(running(&shop).await, ["3", "3"]);
    gate.let_go();
    assert_eq!(late.ended().await.code(), Some(7), "{}", late.log());
    assert_eq!(running(&shop).await, ["3", "3"], "{}", late.log());
}

#[tokio::test]
async fn a_lock_that_is_lost_between_two_containers_leaves_the_second_and_the_first_is_started_again()
 {
    let (shop, gate) = behind_a_gate(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut late = shop.stopped_at("before stop", "2").await;
    gate.keep_back("/stop");
    late.signal(Signal::USR1);
    gate.has_one().await;
    lose_the_lock(&shop).await;
    gate.let_go();
    assert_eq!(late.ended().await.code(), Some(7), "{}", late.log());
    assert_eq!(gate.asked("/stop"), 1, "{}", late.log());
    assert_eq!(running(&shop).await, ["1"]);
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(running(&shop).await, ["1", "1"]);
    // It may have been told to end, too: it was stopped, to be sure, and started.
    assert!(gate.asked("/stop") >= 2);
    assert!(shop.site.keys().await.hold.is_none());
}

#[tokio::test]
async fn a_host_that_dies_after_the_stop_keeps_nobody_from_the_old_release_on_another() {
    let (shop, _one, two) = a_gate_for_each_slot().await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before start", "2").await;
    assert!(running(&shop).await.is_empty());
    let gone = two.shut();
    deploy.signal(Signal::USR1);
    assert!(!deploy.ended().await.success());
    assert!(deploy.log().contains(&gone), "{}", deploy.log());
    assert_eq!(running(&shop).await, ["1", "1"], "{}", deploy.log());
    let keys = shop.site.keys().await;
    assert!(keys.hold.is_none() && keys.deploy.is_none(), "{}", deploy.log());
    shop.site.run(&["resume", "--forget", &gone]).await.ended_with(0);
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn an_engine_that_is_away_keeps_nobody_from_what_it_runs() {
    let (shop, one, _two) = a_gate_for_each_slot().await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before stop", "2").await;
    one.shut();
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(7), "{}", deploy.log());
    assert_eq!(running(&shop).await, ["1", "1"]);
    assert!(shop.site.keys().await.hold.is_none(), "{}", deploy.log());
    // Nor is anybody made to wait for what cannot be.
    shop.deploy("2").await.ended_with(7).says("nothing is held and nothing was stopped");
    assert_eq!(running(&shop).await, ["1", "1"]);
    assert!(shop.site.keys().await.hold.is_none());
}

#[tokio::test]
async fn an_engine_that_was_given_up_with_all_that_it_ran_holds_the_app_no_longer() {
    let (shop, gate) = behind_a_gate(&["1", "2"], HOLD).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.stopped_at("before start", "2").await.kill().await;
    let gone = gate.shut();
    shop.site.run(&["resume"]).await.says("--forget").says("is not healthy");
    assert!(shop.site.keys().await.hold.is_some(), "nothing would answer");
    shop.site.run(&["resume", "--forget", &gone]).await.ended_with(0);
    let keys = shop.site.keys().await;
    assert!(keys.hold.is_none() && keys.deploy.is_none());
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn two_undos_at_once_leave_the_workers_of_what_serves_running() {
    let (shop, gate) = behind_a_gate(&["1", "2"], WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    gate.keep_back("/stop");
    let mut first = shop.site.begin(&["undo"], None);
    gate.has_one().await;
    let mut second = shop.site.begin(&["undo"], None);
    second.said("  …  lock").await;
    assert_eq!(shop.slots().await, "green: 1 2", "the second has gone forth again");
    gate.let_go();
    for undo in [&mut first, &mut second] {
        assert!(undo.ended().await.success(), "{}", undo.log());
    }
    assert_eq!(workers(&shop).await, ["2"], "{}\n{}", first.log(), second.log());
}

#[tokio::test]
async fn workers_that_were_left_are_seen_to_by_resume() {
    let (shop, gate) = behind_a_gate(&["1", "2"], WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    gate.keep_back("/start");
    let undo = shop.site.begin(&["undo"], None);
    gate.has_one().await;
    undo.kill().await;
    gate.let_go();
    shop.site.run(&["resume"]).await.ended_with(0).says("workers: ");
    assert_eq!(workers(&shop).await, ["1"]);
}

#[tokio::test]
async fn a_host_that_is_away_keeps_no_workers_on_another_from_following() {
    let shop = Shop::open(&["1", "2"], "").await;
    let two = shop.second_host(&["1", "2"], ROUTE, WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    assert_eq!(workers(&shop).await, ["2"]);
    let gone = two.host();
    drop(two);
    shop.site.run(&["undo"]).await.ended_with(0).says(&gone).says("workers: 1 started, 1 stopped");
    assert_eq!(workers(&shop).await, ["1"]);
    shop.site.run(&["status", "web"]).await.says("jobs ×1 (to run)").says("(to be stopped)");
}

#[tokio::test]
async fn a_deploy_that_is_told_to_stop_ends_soon_although_its_engine_hangs() {
    let (shop, gate) = behind_a_gate(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before start", "2").await;
    gate.hang();
    deploy.signal(Signal::USR1);
    gate.has_one().await;
    deploy.signal(Signal::TERM);
    // Within the patience that a test has, which an engine's own time would exceed.
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert!(deploy.log().contains("not all that was started is removed"), "{}", deploy.log());
    gate.let_go();
    assert_eq!(shop.slots().await, "blue: 1 -");
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(shop.containers().await, ["1"]);
}

#[tokio::test]
async fn an_engine_that_hangs_keeps_nobody_from_watching_a_release_nor_from_ending_that() {
    let (shop, gate) = behind_a_gate(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let beats = shop.site.directory.path().join("beats");
    for (settings, moment) in WATCHED.into_iter().zip(["before bake", "before canary"]) {
        shop.write_file_for(&format!("[{:?}]", gate.host()), ROUTE, settings);
        let mut deploy = shop.stopped_at(moment, "2").await;
        assert!(!beats.exists(), "{moment}: {}", deploy.log());
        gate.keep_back("/containers/json");
        deploy.signal(Signal::USR1);
        gate.has_one().await;
        // An engine's own time is a minute.
        let soon = Duration::from_secs(30);
        within(soon, "a check is asked", async || beats.exists().then_some(())).await;
        gate.hang();
        match moment {
            "before bake" => deploy.signal(Signal::TERM),
            _ => drop(shop.site.start(&["undo"]).wait_with_output().await.unwrap()),
        }
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        let said = "not all that was started is removed";
        assert!(deploy.log().contains(said), "{moment}: {}", deploy.log());
        assert_eq!(shop.slots().await, "blue: 1 -", "{moment}");
        gate.let_go();
        shop.site.run(&["resume"]).await.ended_with(0);
        assert_eq!(shop.containers().await, ["1"], "{moment}");
        std::fs::remove_file(&beats).unwrap();
    }
}
