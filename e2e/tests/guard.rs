//! A release that looks healthy and is not is taken back by the deploy that brought it.

use e2e::shuntctl::Run;

use crate::shop::Shop;
use crate::site::{HOST, answers};

/// A bake that no test waits for.
const BAKE: &str = "[deploy]\nbake = \"5m\"\n";

/// Deploys a release with these faults under load, over one without: what became of it.
async fn deploy_bad(shop: &Shop, faults: &[&str]) -> Run {
    shop.engine.publish_demo("1", &["LATENCY=10ms"]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    shop.engine.publish_demo("2", faults).await;
    let load = shop.load(16);
    answers(&load, "1", 300).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(6);
    answers(&load, "1", 100).await;
    let bad = load.answered_by("2");
    load.stop().await;
    println!("the bad release was sent {bad} requests:\n{run}");
    assert_eq!(shop.active().await, "blue");
    assert_eq!(shop.proxies[0].release(HOST).await, "1");
    shop.only(&["1"]).await;
    run
}

#[tokio::test]
async fn a_release_that_answers_5_percent_errors_is_undone_and_the_deploy_says_so() {
    let shop = Shop::with_settings(BAKE).await;
    let run = deploy_bad(&shop, &["LATENCY=10ms", "ERRORS=0.05"]).await;
    assert!(run.text().contains("errors (5xx)"), "{run}");
}

#[tokio::test]
async fn a_release_that_is_3_times_slower_is_undone() {
    let shop = Shop::with_settings(BAKE).await;
    let run = deploy_bad(&shop, &["LATENCY=30ms"]).await;
    assert!(run.text().contains("requests over"), "{run}");
}

#[tokio::test]
async fn a_release_that_crashes_after_the_flip_is_undone() {
    let shop = Shop::with_settings(BAKE).await;
    let run = deploy_bad(&shop, &["LATENCY=10ms", "EXIT_AFTER=8s"]).await;
    println!("{run}");
}

#[tokio::test]
async fn a_good_release_bakes_and_is_kept_and_undo_in_between_is_no_fault_of_its() {
    let shop = Shop::with_settings("[deploy]\nbake = \"6s\"\n").await;
    shop.engine.publish_demo("1", &["LATENCY=10ms"]).await;
    shop.engine.publish_demo("2", &["LATENCY=10ms"]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let load = shop.load(16);
    answers(&load, "1", 300).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(0);
    assert!(run.text().contains("no figure is worse"), "{run}");
    assert_eq!(shop.active().await, "green");
    let mut deploy = shop.stopped_at("before bake", "1").await;
    let _ = shop.run(&["undo"]).await;
    deploy.ended().await;
    println!("{}", deploy.log());
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(shop.active().await, "green");
}

#[tokio::test]
async fn a_bake_whose_controller_is_killed_is_gone_on_with() {
    let shop = Shop::with_settings("[deploy]\nbake = \"8s\"\n").await;
    shop.engine.publish_demo("1", &[]).await;
    shop.engine.publish_demo("2", &[]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let deploy = shop.stopped_at("before bake", "2").await;
    deploy.kill().await;
    let run = shop.run(&["resume"]).await.ended_with(0);
    assert!(run.text().contains("bake"), "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
    shop.only(&["1", "2"]).await;
}
