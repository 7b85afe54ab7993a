//! Containers of a release that is watched.

use e2e::until;
use rustix::process::Signal;
use shunt_config::record::Outcome;

use crate::shop::Shop;

/// A bake that no test waits for, and a check that shows that it goes on.
const BAKE: &str = "[deploy]\nbake = \"5m\"\n[guard.checks.beat]\ninterval = \"100ms\"\n\
    command = \"echo >> beats\"\n";

/// Waits until the bake has gone on for so many tenths of a second more.
async fn bakes(shop: &Shop, more: usize) {
    let beats = || {
        let text = std::fs::read_to_string(shop.site.directory.path().join("beats"));
        text.unwrap_or_default().lines().count()
    };
    let wanted = beats() + more;
    until("the bake goes on", async || (beats() >= wanted).then_some(())).await;
}

#[tokio::test]
async fn a_release_whose_container_ends_while_it_is_watched_is_undone_with_its_last_lines() {
    let shop = Shop::open(&["1"], BAKE).await;
    shop.engine.build_demo("2", &["EXIT_AFTER=5s"]).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    // The proxies find nothing wrong with it: its engine starts it again before they would.
    let run = shop.deploy("2").await.ended_with(6);
    let run = run.says("a container has not gone on running: web-green-");
    run.says("and was started again").says("no configuration found in DATABASE_URL");
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1"]);
    // Whoever goes on with a bake looks after them, too.
    shop.stopped_at("before bake", "2").await.kill().await;
    let run = shop.site.run(&["resume", "web"]).await.ended_with(0);
    run.says("a container has not gone on running: web-green-");
    assert_eq!(shop.containers().await, ["1"]);
}

#[tokio::test]
async fn an_engine_that_is_restarted_is_no_fault_of_the_release_that_is_watched() {
    let shop = Shop::open(&["1", "2"], BAKE).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    bakes(&shop, 1).await;
    shop.engine.restart().await;
    // Longer than it takes to find one that has ended.
    bakes(&shop, 50).await;
    assert_eq!(shop.site.active().await, "green", "{}", deploy.log());
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
}

/// A pipeline that is cancelled while the release is watched is no deploy that is done.
#[tokio::test]
async fn a_bake_that_is_stopped_by_a_signal_goes_back_and_says_so() {
    let shop = Shop::open(&["1", "2"], BAKE).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    bakes(&shop, 1).await;
    assert_eq!(shop.site.active().await, "green");
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert_eq!(
        (shop.slots().await.as_str(), shop.last_outcome().await),
        ("blue: 1 -", Outcome::Undone)
    );
    assert_eq!(shop.containers().await, ["1"]);
}
