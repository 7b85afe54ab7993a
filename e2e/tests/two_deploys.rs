//! Two deploys of one app at once.

use crate::shop::Shop;
use crate::site::HOST;

#[tokio::test]
async fn of_two_deploys_at_once_one_flips_and_the_other_leaves_with_its_code() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    for version in ["2", "3"] {
        shop.engine.publish_demo(version, &[]).await;
    }
    let before = flips(&shop).await;
    let first = shop.stopped_at("before flip", "2").await;
    let run = shop.run(&["deploy", "--tag", "3"]).await.ended_with(4);
    assert!(run.text().contains("deploy"), "who holds the lock is not said: {run}");
    shop.only(&["1", "2"]).await;
    go_on(first).await;
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
    assert_eq!(flips(&shop).await, before + 1);
}

#[tokio::test]
async fn a_deploy_told_to_wait_for_another_comes_after_it() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    for version in ["2", "3"] {
        shop.engine.publish_demo(version, &[]).await;
    }
    let before = flips(&shop).await;
    let first = shop.stopped_at("before flip", "2").await;
    let mut second = shop.begin(&["deploy", "--tag", "3", "--lock-wait", "5m"], None);
    go_on(first).await;
    let ended = second.ended().await;
    assert!(ended.success(), "{ended}: {}", second.log());
    assert_eq!(shop.proxies[0].release(HOST).await, "3");
    assert_eq!(flips(&shop).await, before + 2);
    shop.only(&["2", "3"]).await;
}

async fn go_on(mut deploy: e2e::Process) {
    deploy.signal(rustix::process::Signal::USR1);
    let ended = deploy.ended().await;
    assert!(ended.success(), "{ended}: {}", deploy.log());
}

async fn flips(shop: &Shop) -> u32 {
    let series = r#"shunt_flips_total{app="web",result="applied"}"#;
    // An app that had no flip but its first, and no request, has no series.
    shop.proxies[0].metric(series).await.map_or(1, |count| count.parse().unwrap())
}
