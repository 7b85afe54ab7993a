//! What is kept of releases that are gone, on a real engine.

use e2e::engine::REGISTRY;
use e2e::until;

use crate::shop::Shop;

/// The versions of the containers that do not run.
async fn stopped(shop: &Shop) -> Vec<String> {
    let mut versions = Vec::new();
    for container in shop.engine.containers().await {
        if container.state != "running" {
            versions.push(shop.version(&container.id).await);
        }
    }
    versions.sort();
    versions
}

/// The tags of the app's images.
async fn images(shop: &Shop) -> Vec<String> {
    let name = format!("{REGISTRY}/acme/web");
    let listed = shop.engine.docker(&["images", "--format", "{{.Tag}}", &name]).await;
    let mut tags: Vec<String> = listed.lines().map(str::to_owned).collect();
    tags.sort();
    tags
}

#[tokio::test]
async fn so_many_releases_that_are_gone_keep_their_containers_for_their_output() {
    let keep = "restart = \"always\"\n[deploy]\nkeep = 2\n";
    let shop = Shop::open(&["1", "2", "3", "4", "5", "6"], keep).await;
    let _proxy = shop.obedient("lb1").await;
    let image = format!("{REGISTRY}/acme/web:1");
    // Of another app, of another store, of nobody: stopped, and none of ours.
    let others = [
        &["--label", "shunt.app=other", "--label", "shunt.deploy=1"][..],
        &[
            "--label",
            "shunt.app=web",
            "--label",
            "shunt.store=another",
            "--label",
            "shunt.deploy=1",
        ],
        &[],
    ];
    for labels in others {
        shop.engine.docker(&[&["create"][..], labels, &[&image]].concat()).await;
    }
    for version in ["1", "2", "3", "4"] {
        shop.deploy(version).await.ended_with(0);
    }
    // 3 is warm, and 4 serves.
    assert_eq!(stopped(&shop).await, ["1", "1", "1", "1", "2"]);
    shop.site.run(&["logs", "--release", "1"]).await.ended_with(0).says("release 1 listens on");
    shop.deploy("5").await.ended_with(0);
    assert_eq!(stopped(&shop).await, ["1", "1", "1", "2", "3"], "the oldest makes way");
    let run = shop.site.run(&["logs", "--release", "1"]).await.ended_with(2);
    run.says("no container of 1 is kept").says("`keep`");
    shop.site.run(&["logs", "--release", "7"]).await.ended_with(2).says("knows no deploy of 7");
    // They are no orphans, and stay what they are over a restart of their engine.
    shop.engine.restart().await;
    until("what serves and what is warm runs again", async || {
        (shop.engine.containers().await.iter().filter(|c| c.state == "running").count() == 2)
            .then_some(())
    })
    .await;
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(stopped(&shop).await, ["1", "1", "1", "2", "3"]);

    let dry = ["prune", "--keep", "1", "--dry-run"];
    shop.site.run(&dry).await.ended_with(0).says("would be removed").says("1 would");
    assert_eq!(stopped(&shop).await, ["1", "1", "1", "2", "3"]);
    shop.site.run(&["prune", "--keep", "1"]).await.ended_with(0).says("removed");
    assert_eq!(stopped(&shop).await, ["1", "1", "1", "3"]);
    assert_eq!(images(&shop).await, ["1", "2", "3", "4", "5", "6"]);
    // 1 is used by what is not ours, 3 by what is kept; 6 no deploy of the app has run.
    shop.site.run(&["prune", "--keep-images", "0"]).await.ended_with(0).says("acme/web:2");
    assert_eq!(images(&shop).await, ["1", "3", "4", "5", "6"]);
    assert_eq!(shop.slots().await, "blue: 5 4");

    shop.site.run(&["remove", "web", "--yes"]).await.ended_with(0);
    assert_eq!(stopped(&shop).await, ["1", "1", "1"], "what is not ours");
    assert_eq!(shop.containers().await, ["1", "1", "1"]);
}
