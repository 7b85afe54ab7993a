//! What every run clears away on a real engine, and what it leaves alone.

use e2e::engine::REGISTRY;
use e2e::until;

use crate::shop::Shop;

#[tokio::test]
async fn containers_no_key_speaks_of_are_removed_and_those_of_another_store_are_not() {
    let shop = Shop::open(&["1"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let image = format!("{REGISTRY}/acme/web:1");
    let own = format!("shunt.store={}", shop.site.keys().await.store);
    for store in [own.as_str(), "shunt.store=another"] {
        let app = "shunt.app=web";
        let deploy = "shunt.deploy=20260101T000000-00000000";
        let labels = ["--label", app, "--label", deploy, "--label", store];
        let all = [&["run", "--detach"][..], &labels, &[&image]].concat();
        shop.engine.docker(&all).await;
    }
    shop.site.run(&["resume"]).await.ended_with(0).says("1 container(s) that no key speaks of");
    let stores: Vec<String> = shop
        .engine
        .containers()
        .await
        .into_iter()
        .map(|c| c.labels["shunt.store"].clone())
        .collect();
    assert_eq!(stores.len(), 2);
    assert!(stores.contains(&"another".to_owned()));
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
