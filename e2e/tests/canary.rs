//! Canaries under load, on real parts.

use std::net::SocketAddr;

use e2e::ask::Kept;
use e2e::{Process, Store, until};
use http::Request;
use http::header::{COOKIE, HOST as HOST_LINE, SET_COOKIE};
use http_body_util::Full;

use crate::shop::Shop;
use crate::site::{HOST, answers, soak};

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

/// Someone with a browser of their own: the cookie it keeps, and the releases it was answered by.
#[derive(Debug, Default)]
struct Visitor {
    cookie: Option<String>,
    been: Vec<String>,
}

impl Visitor {
    async fn visit(&mut self, connection: &mut Kept) {
        let mut request = Request::get("/").header(HOST_LINE, HOST);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = connection.send(request.body(Full::default()).unwrap()).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
        if let Some(set) = answer.headers.get(SET_COOKIE) {
            assert!(self.cookie.is_none(), "it has one already");
            self.cookie = set.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        self.been.push(answer.release());
    }
}

/// Everyone comes by once, over connections that many share; how many were on release 2.
async fn all_visit(proxy: SocketAddr, visitors: &mut Vec<Visitor>) -> usize {
    let mut groups = tokio::task::JoinSet::new();
    while !visitors.is_empty() {
        let mut group: Vec<_> = visitors.drain(..visitors.len().min(500)).collect();
        groups.spawn(async move {
            let mut connection = Kept::to(proxy).await.unwrap();
            for visitor in &mut group {
                visitor.visit(&mut connection).await;
            }
            group
        });
    }
    visitors.extend(groups.join_all().await.into_iter().flatten());
    visitors.iter().filter(|visitor| visitor.been.last().is_some_and(|at| at == "2")).count()
}

#[tokio::test]
async fn visitors_of_a_canary_are_divided_as_its_steps_say_and_nobody_goes_back_and_forth() {
    let count = if soak() { 10_000 } else { 2_000 };
    let steps = [1, 10, 50].map(|percent| format!("{{ percent = {percent}, pause = true }}"));
    let shop = shop(&steps.join(", ")).await;
    let proxy = shop.proxies[0].address();
    let mut visitors: Vec<_> = (0..count).map(|_| Visitor::default()).collect();
    assert_eq!(all_visit(proxy, &mut visitors).await, 0);
    let mut deploy = tried(&shop, "1").await;
    for percent in [1, 10, 50] {
        deploy.said(&format!("  →  canary       {percent}%, step")).await;
        for _ in 0..2 {
            let new = all_visit(proxy, &mut visitors).await;
            println!("{percent} %: {new} of {count}");
            assert!(new.abs_diff(count * percent / 100) * 1000 <= count * 5, "{percent} %: {new}");
        }
        let _ = shop.run(&["promote"]).await.ended_with(0);
    }
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert_eq!(all_visit(proxy, &mut visitors).await, count);
    for visitor in &visitors {
        let moves = visitor.been.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(moves, 1, "from the old release to the new one: {visitor:?}");
    }
}
