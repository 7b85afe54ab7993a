//! What every run clears away on a real engine, and what it leaves alone.

use e2e::engine::REGISTRY;
use e2e::until;
use shunt_config::key::AppKey;

use crate::shop::Shop;
use crate::words::Obedient;

/// Starts a container that looks as if a deploy of the app in `store` had left it behind.
async fn orphan(shop: &Shop, store: &str) {
    let image = format!("{REGISTRY}/acme/web:1");
    let store = format!("shunt.store={store}");
    let deploy = "shunt.deploy=20260101T000000-00000000";
    let labels = ["--label", "shunt.app=web", "--label", deploy, "--label", &store];
    let all = [&["run", "--detach"][..], &labels, &[&image]].concat();
    shop.engine.docker(&all).await;
}

/// A shop with release 1, and a container that no key of its store speaks of.
async fn with_an_orphan() -> (Shop, Obedient) {
    let shop = Shop::open(&["1"], "").await;
    let proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    orphan(&shop, &shop.site.keys().await.store).await;
    (shop, proxy)
}

#[tokio::test]
async fn containers_no_key_speaks_of_are_removed_and_those_of_another_store_are_not() {
    let (shop, _proxy) = with_an_orphan().await;
    orphan(&shop, "another").await;
    shop.site.run(&["resume"]).await.ended_with(0).says("1 container(s) that no key speaks of");
    let containers = shop.engine.containers().await;
    let stores: Vec<_> = containers.iter().map(|c| c.labels["shunt.store"].as_str()).collect();
    assert_eq!(stores.len(), 2);
    assert!(stores.contains(&"another"));
}

#[tokio::test]
async fn containers_no_key_speaks_of_stay_while_a_proxy_that_may_serve_them_is_lost() {
    let (shop, _proxy) = with_an_orphan().await;
    shop.proxy("lb2").await.dies().await;
    let run = shop.site.run(&["resume"]).await.ended_with(0);
    run.says("containers that no key speaks of are kept: lost proxies may still serve them: lb2");
    shop.deploy("1").await.ended_with(0);
    assert_eq!(shop.containers().await, ["1", "1", "1"], "one serves, one is warm");
    shop.site.run(&["proxy", "forget", "lb2"]).await.ended_with(0);
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(shop.containers().await, ["1", "1"]);
}

#[tokio::test]
async fn containers_no_key_speaks_of_stay_while_active_cannot_be_served_as_it_is_written() {
    let (shop, _proxy) = with_an_orphan().await;
    let active = shop.site.active().await;
    shop.site.put(AppKey::Active, "gren").await;
    let run = shop.site.run(&["resume"]).await.ended_with(0);
    run.says("kept: `apps/web/active` cannot be read");
    assert_eq!(shop.containers().await, ["1", "1"]);
    shop.site.put(AppKey::Active, &active).await;
    until("the proxy serves what is asked again", async || {
        let _ = shop.site.run(&["resume"]).await.ended_with(0);
        (shop.containers().await.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_warm_release_is_retired_by_the_next_run_past_its_time() {
    let shop = Shop::open(&["1", "2"], "[deploy]\nwarm = \"1s\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    assert_eq!(shop.containers().await, ["1", "2"]);
    until("the warm time is over", async || {
        let status = shop.site.run(&["status", "web"]).await;
        status.output.contains("warm time is over").then_some(())
    })
    .await;
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(shop.slots().await, "green: - 2");
    assert_eq!(shop.containers().await, ["2"]);
    shop.site.run(&["undo"]).await.ended_with(2).says("`blue` is empty");
    shop.site.run(&["remove", "web", "--yes"]).await.ended_with(0);
    assert!(shop.containers().await.is_empty());
}
