//! Canaries under load, on real parts.

use e2e::{Process, Store, until};

use crate::shop::Shop;
use crate::site::{HOST, answers};

/// The app `web`, deployed once, whose next release gets these shares first.
async fn shop(steps: &str) -> Shop {
    let settings = format!("[deploy]\nstrategy = \"canary\"\n[canary]\nsteps = [{steps}]\n");
    let shop = Shop::with(Store::etcd().await, &["lb1", "lb2"], &settings).await;
    shop.deploy("1").await;
    shop
}

/// Release 2, once it has `share` of the requests on every proxy.
async fn tried(shop: &Shop, share: &str) -> Process {
    shop.engine.publish_demo("2", &[]).await;
    let mut deploy = shop.begin(&["deploy", "--tag", "2"], None);
    deploy.said(&format!("  →  canary       {share}%, step")).await;
    deploy
}

#[tokio::test]
async fn a_canary_under_load_fails_no_request_and_ends_with_the_new_release_alone() {
    let steps = "{ percent = 1, requests = 20 }, { percent = 10, for = \"1s\", requests = 50 }, \
                 { percent = 50, pause = true }";
    let shop = shop(steps).await;
    let load = shop.load(16);
    let mut deploy = tried(&shop, "50").await;
    let _ = shop.run(&["promote"]).await.ended_with(0);
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    answers(&load, "2", 50).await;
    let report = load.stop().await;
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().len(), 2, "{report}");
    assert_eq!(shop.proxies[1].release(HOST).await, "2");
    shop.only(&["1", "2"]).await;
}

#[tokio::test]
async fn an_aborted_canary_under_load_fails_no_request_and_leaves_no_container() {
    let shop = shop("{ percent = 50, pause = true }").await;
    let load = shop.load(16);
    let mut deploy = tried(&shop, "50").await;
    answers(&load, "2", 20).await;
    let _ = shop.run(&["abort"]).await.ended_with(0);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    answers(&load, "1", 50).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(shop.active().await, "blue");
    shop.only(&["1"]).await;
}

#[tokio::test]
async fn a_canary_killed_at_any_moment_is_undone_and_fails_no_request() {
    let shop = shop("{ percent = 10, for = \"100ms\" }, { percent = 50, pause = true }").await;
    let load = shop.load(8);
    for (moment, verb) in [
        ("before canary", "resume"),
        ("10", "undo"),
        ("50", "resume"),
        ("50", "abort"),
        ("after canary", "resume"),
    ] {
        let deploy = if moment.ends_with("canary") {
            shop.engine.publish_demo("2", &[]).await;
            let mut deploy = shop.begin(&["deploy", "--tag", "2"], Some(moment));
            if moment == "after canary" {
                deploy.said("  →  canary       50%, step").await;
                let _ = shop.run(&["promote"]).await.ended_with(0);
            }
            deploy.said(&format!("paused {moment}")).await;
            deploy
        } else {
            tried(&shop, moment).await
        };
        deploy.kill().await;
        let _ = shop.run(&[verb]).await.ended_with(0);
        assert_eq!(shop.active().await, "blue", "killed {moment}");
        // Until its lock is gone nobody can take back the rest.
        until(&format!("all is as it was, killed {moment}"), async || {
            let _ = shop.run(&["resume"]).await.ended_with(0);
            shop.store.get("apps/web/deploy").await.is_none().then_some(())
        })
        .await;
        assert!(shop.store.keys("apps/web/draining/").await.is_empty(), "killed {moment}");
        shop.only(&["1"]).await;
    }
    answers(&load, "1", 50).await;
    let report = load.stop().await;
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
}
