//! A target that fails requests is left out without waiting for its health check.

use crate::backend::Backend;
use crate::gated::{Gated, Manner};
use crate::proxy::Proxy;

#[tokio::test]
async fn a_target_that_fails_requests_in_a_row_is_left_out() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let settings = r#""eject":{"failures":3,"for":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], settings);
    a.behave(Manner::Closes);
    let mut failed = 0;
    while !release.targets[0].is_ejected() {
        let status = proxy.client().await.get("/").await.status();
        assert!(matches!(status, 200 | 502), "{status}");
        failed += usize::from(status == 502);
    }
    assert_eq!((failed, a.count()), (3, 3));
    for _ in 0..20 {
        assert_eq!(proxy.client().await.get("/").await.body, "b");
    }
    assert_eq!((a.count(), release.targets[0].ejections()), (3, 1));
}

#[tokio::test]
async fn a_target_that_refuses_connections_is_left_out_and_costs_no_second_tries_any_more() {
    let (dead, alive) = (Backend::bind().await.address(), Gated::open("b").await);
    let settings = r#""eject":{"failures":2,"for":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[dead, alive.address], settings);
    while !release.targets[0].is_ejected() {
        assert_eq!(proxy.client().await.get("/").await.status(), 200);
    }
    assert_eq!(release.meters.totals().retries, [2, 0]);
    for _ in 0..20 {
        assert_eq!(proxy.client().await.get("/").await.status(), 200);
    }
    assert_eq!(release.meters.totals().retries, [2, 0]);
}

#[tokio::test]
async fn what_the_app_itself_answers_is_no_failure() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let settings = r#""eject":{"failures":1,"for":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], settings);
    a.behave(Manner::Fails);
    for _ in 0..10 {
        proxy.client().await.get("/").await;
    }
    assert!(a.count() > 0 && !release.targets[0].is_ejected());
}

#[tokio::test]
async fn a_target_comes_back_after_its_time_and_is_out_again_at_the_first_failure() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let settings = r#""eject":{"failures":3,"for":"100ms"}"#;
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], settings);
    a.behave(Manner::Closes);
    let target = &release.targets[0];
    while target.ejections() < 2 {
        proxy.client().await.get("/").await;
    }
    assert_eq!(a.count(), 4, "three failures, and one more when it was back");
    a.behave(Manner::Answers);
    while a.count() == 4 {
        assert_eq!(proxy.client().await.get("/").await.status(), 200);
    }
    assert!(!target.is_ejected());
}

#[tokio::test]
async fn the_last_target_is_tried_however_often_it_fails() {
    let a = Gated::open("a").await;
    let (proxy, release) = Proxy::spreading(&[a.address], r#""eject":{"failures":1,"for":"1h"}"#);
    a.behave(Manner::Closes);
    for _ in 0..5 {
        assert_eq!(proxy.client().await.get("/").await.status(), 502);
    }
    assert_eq!((a.count(), release.targets[0].ejections()), (5, 0));
    a.behave(Manner::Answers);
    assert_eq!(proxy.client().await.get("/").await.status(), 200);
}
