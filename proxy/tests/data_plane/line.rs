//! What happens to requests while every target has as many as it may.

use std::sync::Arc;

use shunt_config::App;
use shunt_proxy::route::router::Change;
use shunt_proxy::route::{Front, Site};

use crate::backend::Backend;
use crate::client::{Client, within};
use crate::gated::Gated;
use crate::proxy::{Proxy, until};

/// Sends GET `path` on a connection of its own and waits until it stands in line as number `nth`.
async fn join(proxy: &Proxy, path: &str, nth: u32) -> Client {
    let mut client = proxy.client().await;
    client.send_get(path).await;
    until("it stands in line", || proxy.line.waiting() == nth).await;
    client
}

/// Sends GET /first, which `target` holds.
async fn first(proxy: &Proxy, target: &Gated) -> Client {
    let mut client = proxy.client().await;
    client.send_get("/first").await;
    until("the first arrives", || target.count() == 1).await;
    client
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_arrival_and_no_target_has_more_than_it_may() {
    let target = Gated::shut("a").await;
    let (proxy, _) = Proxy::spreading(&[target.address], r#""max_requests":1"#);
    let mut clients = vec![first(&proxy, &target).await];
    for n in 1..=5 {
        clients.push(join(&proxy, &format!("/{n}"), n).await);
    }
    for client in &mut clients {
        target.let_through(1);
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!(target.came(), ["/first", "/1", "/2", "/3", "/4", "/5"]);
    assert_eq!((target.most(), proxy.line.waiting()), (1, 0));
}

#[tokio::test]
async fn each_target_has_its_own_limit_and_any_that_ends_a_request_takes_the_next() {
    let (a, b) = (Gated::shut("a").await, Gated::shut("b").await);
    let (proxy, _) = Proxy::spreading(&[a.address, b.address], r#""max_requests":2"#);
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = proxy.client().await;
        client.send_get("/").await;
        clients.push(client);
    }
    until("four arrive", || a.count() + b.count() == 4).await;
    assert_eq!((a.count(), b.count()), (2, 2));
    let mut last = join(&proxy, "/last", 1).await;
    b.let_through(1);
    until("the last one's turn comes", || b.count() == 3).await;
    a.let_through(9);
    b.let_through(9);
    assert_eq!(last.answer().await.body, "b");
    assert_eq!((a.most(), b.most()), (2, 2));
}

#[tokio::test]
async fn a_full_line_is_answered_at_once_with_503_and_when_to_come_back() {
    let target = Gated::shut("a").await;
    let settings = r#""max_requests":1,"queue":{"length":1,"timeout":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[target.address], settings);
    let mut served = first(&proxy, &target).await;
    let mut waits = join(&proxy, "/waits", 1).await;
    let refused = proxy.client().await.get("/refused").await;
    assert_eq!((refused.status(), refused.header("retry-after")), (503, Some("3600")));
    assert_eq!((proxy.line.turned_away(), proxy.line.gave_up()), (1, 0));
    until("it is counted as the app's", || release.meters.totals().classes[4] == 1).await;
    target.let_through(2);
    assert_eq!((served.answer().await.status(), waits.answer().await.status()), (200, 200));
    assert_eq!(target.came(), ["/first", "/waits"]);
}

#[tokio::test]
async fn who_waits_for_too_long_is_answered_with_503_and_the_others_go_on_waiting() {
    let target = Gated::shut("a").await;
    let settings = r#""max_requests":1,"queue":{"timeout":"200ms"}"#;
    let (proxy, _) = Proxy::spreading(&[target.address], settings);
    let mut served = first(&proxy, &target).await;
    let mut late = join(&proxy, "/late", 1).await;
    let answer = late.answer().await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
    assert_eq!((proxy.line.waiting(), proxy.line.gave_up()), (0, 1));
    // The connection is still good, and so is the line.
    target.let_through(2);
    assert_eq!(served.answer().await.status(), 200);
    assert_eq!(late.get("/again").await.status(), 200);
    assert_eq!(target.came(), ["/first", "/again"]);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_line() {
    let target = Gated::shut("a").await;
    let (proxy, _) = Proxy::spreading(&[target.address], r#""max_requests":1"#);
    let mut served = first(&proxy, &target).await;
    let (gone, mut stays) = (join(&proxy, "/gone", 1).await, join(&proxy, "/stays", 2).await);
    drop(gone);
    until("it has left", || proxy.line.waiting() == 1).await;
    target.let_through(2);
    assert_eq!((served.answer().await.status(), stays.answer().await.status()), (200, 200));
    assert_eq!(target.came(), ["/first", "/stays"]);
}

#[tokio::test]
async fn a_waiting_request_holds_no_release_and_goes_to_the_one_that_serves_when_it_is_sent() {
    let (blue, green) = (Gated::shut("blue").await, Gated::open("green").await);
    let (proxy, _) = Proxy::spreading(&[blue.address], r#""max_requests":1"#);
    let mut served = first(&proxy, &blue).await;
    let (mut one, mut two) = (join(&proxy, "/1", 1).await, join(&proxy, "/2", 2).await);

    let next = proxy.spread("green", &[green.address], r#""max_requests":1"#);
    let closed = proxy.flip(&next).unwrap();
    assert_eq!(
        (one.answer().await.body, two.answer().await.body),
        ("green".into(), "green".into())
    );
    assert_eq!(closed.leases(&"first".into()), 1, "only what was sent holds the drain");
    blue.let_through(1);
    assert_eq!(served.answer().await.body, "blue");
    within("the drain ends", closed.drained()).await;
    assert_eq!((blue.came(), green.count()), (vec!["/first".to_owned()], 2));
}

#[tokio::test]
async fn who_waits_for_an_app_that_goes_is_told_so() {
    let target = Gated::shut("a").await;
    let (proxy, release) = Proxy::spreading(&[target.address], r#""max_requests":1"#);
    let _served = first(&proxy, &target).await;
    let mut waits = join(&proxy, "/waits", 1).await;
    proxy.router.publish(vec![Change::Remove(release.app.clone())]);
    assert_eq!(waits.answer().await.status(), 404);
}

#[tokio::test]
async fn a_target_that_is_proved_again_takes_who_waits() {
    let (a, b) = (Gated::shut("a").await, Gated::open("b").await);
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], r#""max_requests":1"#);
    release.targets[1].set_usable(false);
    let _held = first(&proxy, &a).await;
    let mut waits = join(&proxy, "/waits", 1).await;
    release.targets[1].set_usable(true);
    assert_eq!(waits.answer().await.body, "b");
}

#[tokio::test]
async fn who_arrives_when_a_target_has_room_does_not_overtake_who_waits() {
    let (a, b) = (Gated::shut("a").await, Gated::shut("b").await);
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], r#""max_requests":1"#);
    release.targets[1].set_usable(false);
    let _held = first(&proxy, &a).await;
    let mut waits = join(&proxy, "/waits", 1).await;
    // There is room on `b` from now on, and nobody who waits was told.
    release.targets[1].set_usable(true);
    let mut late = proxy.client().await;
    late.send_get("/late").await;
    b.let_through(2);
    assert_eq!((waits.answer().await.body, late.answer().await.body), ("b".into(), "b".into()));
    assert_eq!(b.came(), ["/waits", "/late"]);
}

#[tokio::test]
async fn who_may_not_pass_is_told_so_at_once_and_takes_no_room_in_the_line() {
    let target = Gated::shut("a").await;
    let settings = r#""max_requests":1,"queue":{"length":0}"#;
    let (proxy, release) = Proxy::spreading(&[target.address], settings);
    let mut held = first(&proxy, &target).await;
    assert_eq!(proxy.client().await.get("/").await.status(), 503, "there is no room at all");
    let app = App::parse(br#"{"hosts":["*"],"deny":["127.0.0.0/8"]}"#).unwrap();
    let table = proxy.router.load();
    let site = table.site(&release.app).unwrap();
    let (routes, epoch) = (site.routes.clone(), site.epoch.clone());
    let (app, front) = (site.app.clone(), Front::of(&app));
    let denying = Site {
        app,
        routes,
        strip_prefix: false,
        front,
        hold: None,
        epoch,
        preview: None,
        mirror: None,
    };
    proxy.router.publish(vec![Change::Put(Arc::new(denying))]);
    assert_eq!(proxy.client().await.get("/").await.status(), 403);
    assert_eq!((proxy.line.turned_away(), proxy.line.waiting()), (1, 0));
    target.let_through(1);
    assert_eq!(held.answer().await.status(), 200);
}

#[tokio::test]
async fn a_storm_through_one_place_serves_everyone_and_leaks_none() {
    let target = Gated::open("a").await;
    let settings = r#""max_requests":1,"queue":{"length":1000,"timeout":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[target.address], settings);
    let proxy = Arc::new(proxy);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move {
                let mut client = proxy.client().await;
                for _ in 0..25 {
                    assert_eq!(client.get("/").await.status(), 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!((target.count(), target.most()), (400, 1));
    until("every request is over", || release.meters.totals().requests() == 400).await;
    assert_eq!(proxy.line.waiting(), 0);
}

#[tokio::test]
async fn a_request_with_a_body_leaves_its_place_with_its_answer_though_its_connection_is_kept() {
    let target = Backend::bind().await;
    let settings = r#""max_requests":1,"queue":{"timeout":"1s"}"#;
    let (proxy, _) = Proxy::spreading(&[target.address()], settings);
    let post = "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc";
    let mut client = proxy.client().await;
    client.write(post).await;
    let mut conn = target.accept().await;
    for _ in 0..3 {
        conn.request().await;
        conn.expect("abc").await;
        conn.answer("done").await;
        assert_eq!(client.answer().await.body, "done");
        // A place that was kept with the connection would cost the next one its patience.
        client.write(post).await;
    }
}
