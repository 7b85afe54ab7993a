//! Visitors who stay on the release that they came to, after new ones go elsewhere.

use std::sync::Arc;

use shunt_proxy::route::Release;

use crate::backend::Backend;
use crate::client::within;
use crate::gated::Gated;
use crate::proxy::Proxy;
use crate::visit::{set, visit};

const SETTINGS: &str = r#""sticky":"slot","sessions":{"idle":"1h"}"#;

/// The same cookie, as if it had been written long ago.
fn old(cookie: &str) -> String {
    let (rest, _) = cookie.rsplit_once('.').unwrap();
    format!("{rest}.1")
}

/// A proxy with a release that was flipped away from and is kept, and one that serves.
struct Flipped {
    proxy: Proxy,
    old: Arc<Release>,
    new: Arc<Release>,
    /// Of one who was there before.
    cookie: String,
}

async fn flipped(settings: &str) -> Flipped {
    let (a, b) = (Gated::open("old").await, Gated::open("new").await);
    let (proxy, old) = Proxy::spreading(&[a.address], settings);
    let cookie = set(&visit(&proxy, "").await).unwrap();
    let new = proxy.spread("second", &[b.address], settings);
    proxy.keep(&[&new, &old]);
    Flipped { proxy, old, new, cookie }
}

#[tokio::test]
async fn after_a_flip_visitors_stay_and_new_ones_go_to_the_new_release() {
    let Flipped { proxy, old, cookie, .. } = flipped(SETTINGS).await;
    for _ in 0..8 {
        let again = visit(&proxy, &cookie).await;
        assert_eq!((again.body.as_str(), set(&again)), ("old", None));
        let another = visit(&proxy, "").await;
        assert_eq!(another.body, "new");
        let theirs = set(&another).unwrap();
        assert_eq!(visit(&proxy, &theirs).await.body, "new");
    }
    let idle = std::time::Duration::from_hours(1);
    assert_eq!(old.sessions.as_ref().unwrap().count(idle), 1);
}

#[tokio::test]
async fn a_cookie_is_written_again_before_its_time_is_over_for_the_same_visitor() {
    let Flipped { proxy, cookie, .. } = flipped(SETTINGS).await;
    let (rest, written) = cookie.rsplit_once('.').unwrap();
    let earlier = written.parse::<u64>().unwrap() - 1_000;
    let renewed = visit(&proxy, &format!("{rest}.{earlier}")).await;
    assert_eq!(renewed.body, "old");
    let renewed = set(&renewed).unwrap();
    let (same, at) = renewed.rsplit_once('.').unwrap();
    assert_eq!(same, rest);
    assert!(at.parse::<u64>().unwrap() > earlier);
    assert_eq!(set(&visit(&proxy, &renewed).await), None, "told once");
}

#[tokio::test]
async fn one_who_was_idle_goes_to_the_new_release_and_is_its_visitor_from_then_on() {
    let Flipped { proxy, cookie, .. } = flipped(SETTINGS).await;
    let moved = visit(&proxy, &old(&cookie)).await;
    assert_eq!(moved.body, "new");
    let theirs = set(&moved).unwrap();
    assert_eq!(visit(&proxy, &theirs).await.body, "new");
    assert_eq!(visit(&proxy, &cookie).await.body, "old", "one who has another cookie is another");
}

#[tokio::test]
async fn nobody_is_idle_whose_websocket_is_open_and_it_goes_on_through_the_flip() {
    let backend = Backend::bind().await;
    let (proxy, old_release) = Proxy::spreading(&[backend.address()], SETTINGS);
    let mut first = proxy.client().await;
    first.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("old").await;
    let cookie = set(&first.raw_answer().await).unwrap();
    drop(first);
    drop(conn);
    let mut client = proxy.client().await;
    let ask = format!(
        "GET /ws HTTP/1.1\r\nHost: web\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write(ask).await;
    let mut conn = backend.accept().await;
    while !conn.request().await.contains("upgrade: websocket") {
        conn = backend.accept().await;
    }
    conn.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .await;
    client.head().await;
    let b = Gated::open("new").await;
    let new = proxy.spread("second", &[b.address], SETTINGS);
    let closed = proxy.keep(&[&new, &old_release]).unwrap();
    assert!(old_release.is_admitted(), "its tunnels are not asked to end");
    client.write("more").await;
    conn.expect("more").await;
    // Its cookie is as old as its page, and all the same it is at home.
    let again = {
        let mut client = proxy.client().await;
        let old = old(&cookie);
        client.write(format!("GET / HTTP/1.1\r\nHost: web\r\nCookie: {old}\r\n\r\n")).await;
        let mut conn = backend.accept().await;
        conn.request().await;
        conn.answer("old").await;
        client.raw_answer().await
    };
    assert_eq!(again.body, "old");
    // Kept no more, it is asked to leave as after any flip.
    proxy.flip(&new);
    assert!(!old_release.is_admitted());
    drop(client);
    conn.closed().await;
    within("the lease ends", closed.drained()).await;
}

#[tokio::test]
async fn where_no_target_of_a_kept_release_answers_its_visitors_go_to_the_new_one() {
    let Flipped { proxy, old, new, cookie } = flipped(SETTINGS).await;
    old.targets[0].set_usable(false);
    let moved = visit(&proxy, &cookie).await;
    assert_eq!(moved.body, "new");
    assert!(set(&moved).is_some());
    // What serves is tried to the last.
    new.targets[0].set_usable(false);
    assert_eq!(visit(&proxy, &cookie).await.body, "new");
}

#[tokio::test]
async fn by_default_a_session_is_with_its_target_and_sticky_need_not_be_said() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let (proxy, old) = Proxy::spreading(&[a.address, b.address], r#""sessions":"drain""#);
    let new = proxy.spread("second", &[a.address], r#""sessions":"drain""#);
    let mut homes = Vec::new();
    while !(homes.contains(&"a".to_owned()) && homes.contains(&"b".to_owned())) {
        proxy.flip(&old);
        let first = visit(&proxy, "").await;
        let cookie = set(&first).unwrap();
        proxy.keep(&[&new, &old]);
        for _ in 0..4 {
            assert_eq!(visit(&proxy, &cookie).await.body, first.body);
        }
        homes.push(first.body);
    }
}

#[tokio::test]
async fn visitors_of_three_releases_are_each_at_home_and_forged_cookies_are_nobodys() {
    let gates = [Gated::open("1").await, Gated::open("2").await, Gated::open("3").await];
    let proxy = Proxy::start();
    let all: Vec<_> =
        gates.iter().map(|gate| proxy.spread(gate.name(), &[gate.address], SETTINGS)).collect();
    let mut cookies = Vec::new();
    for release in &all {
        proxy.flip(release);
        cookies.push(set(&visit(&proxy, "").await).unwrap());
    }
    proxy.keep(&[&all[2], &all[1], &all[0]]);
    for (cookie, at) in cookies.iter().zip(["1", "2", "3"]) {
        assert_eq!(visit(&proxy, cookie).await.body, at);
    }
    let (mark, rest) = cookies[0].split_once('.').unwrap();
    for forged in [format!("{mark}x.{rest}"), format!("shunt-web=.{rest}"), rest.to_owned()] {
        assert_eq!(visit(&proxy, &forged).await.body, "3", "{forged}");
    }
    // What is no session costs a visitor with a good mark nothing.
    assert_eq!(visit(&proxy, &format!("{mark}.9999.1")).await.body, "1");
    proxy.keep(&[&all[2], &all[1]]);
    assert_eq!(visit(&proxy, &cookies[0]).await.body, "3", "that one is gone");
}
