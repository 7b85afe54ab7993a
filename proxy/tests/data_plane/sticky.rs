//! Visitors who stay with a target or slot, by a cookie.

use crate::gated::Gated;
use crate::proxy::{Proxy, until};
use crate::visit::{set, visit};

#[tokio::test]
async fn a_visitor_stays_with_its_target_on_every_connection_and_thread() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let (proxy, _) = Proxy::spreading(&[a.address, b.address], r#""sticky":"target""#);
    let mut homes = Vec::new();
    while !(homes.contains(&"a".to_owned()) && homes.contains(&"b".to_owned())) {
        let first = visit(&proxy, "theme=dark").await;
        let attributes = first.header("set-cookie").unwrap().to_owned();
        assert!(attributes.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{attributes}");
        let cookie = format!("theme=dark; {}", set(&first).unwrap());
        for _ in 0..8 {
            let again = visit(&proxy, &cookie).await;
            assert_eq!((&again.body, set(&again)), (&first.body, None), "told once");
        }
        homes.push(first.body);
    }
}

#[tokio::test]
async fn a_cookie_that_means_nothing_here_is_replaced() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let (proxy, _) = Proxy::spreading(&[a.address, b.address], r#""sticky":"target""#);
    for forged in ["shunt-web=", "shunt-web=0", "shunt-web=AAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(set(&visit(&proxy, forged).await).is_some(), "{forged}");
    }
    // A flip ends the stay: the target is gone, even if the same one was announced again.
    let old = set(&visit(&proxy, "").await).unwrap();
    let targets = [a.address, b.address];
    proxy.flip(&proxy.spread("second", &targets, r#""sticky":"target""#));
    let new = set(&visit(&proxy, &old).await).unwrap();
    assert_ne!(new, old);
    assert_eq!(set(&visit(&proxy, &new).await), None);
}

#[tokio::test]
async fn a_visitor_of_a_target_that_fails_finds_another_home() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let (proxy, release) = Proxy::spreading(&[a.address, b.address], r#""sticky":"target""#);
    let first = visit(&proxy, "").await;
    let home = usize::from(first.body == "b");
    release.targets[home].set_usable(false);
    let moved = visit(&proxy, &set(&first).unwrap()).await;
    assert_ne!(moved.body, first.body);
    let cookie = set(&moved).unwrap();
    release.targets[home].set_usable(true);
    let again = visit(&proxy, &cookie).await;
    assert_eq!((again.body, again.head.contains("set-cookie")), (moved.body, false));
}

#[tokio::test]
async fn a_visitor_of_a_full_target_goes_elsewhere_this_once_and_keeps_its_cookie() {
    let (a, b) = (Gated::shut("a").await, Gated::shut("b").await);
    let settings = r#""sticky":"target","max_requests":1"#;
    let (proxy, _) = Proxy::spreading(&[a.address, b.address], settings);
    a.let_through(1);
    b.let_through(1);
    let first = visit(&proxy, "").await;
    let cookie = set(&first).unwrap();
    let (home, other) = if first.body == "a" { (&a, &b) } else { (&b, &a) };
    let mut held = proxy.client().await;
    held.write(format!("GET /held HTTP/1.1\r\nHost: web\r\nCookie: {cookie}\r\n\r\n")).await;
    until("its home is full", || home.count() == 2).await;
    let away = visit(&proxy, &cookie).await;
    assert_ne!(away.body, first.body);
    assert_eq!(set(&away), None);
    assert_eq!(other.count(), 1);
    home.let_through(2);
    assert_eq!(held.answer().await.body, first.body);
    assert_eq!(visit(&proxy, &cookie).await.body, first.body);
}

#[tokio::test]
async fn a_visitor_stays_with_its_slot_while_requests_are_split_and_a_flip_ends_it() {
    let (blue, green) = (Gated::open("blue").await, Gated::open("green").await);
    let settings = r#""sticky":{"to":"slot","cookie":"at","max_age":"1h"}"#;
    let proxy = Proxy::start();
    let (one, two) = (
        proxy.spread("one", &[blue.address], settings),
        proxy.spread("two", &[green.address], settings),
    );
    proxy.split(&one, &two);
    let mut cookies = Vec::new();
    for slot in ["blue", "green"] {
        let first = loop {
            let answer = visit(&proxy, "").await;
            if answer.body == slot {
                break answer;
            }
        };
        let attributes = first.header("set-cookie").unwrap();
        assert!(attributes.ends_with("; SameSite=Lax; Max-Age=3600"), "{attributes}");
        cookies.push(set(&first).unwrap());
    }
    for _ in 0..8 {
        for (slot, cookie) in ["blue", "green"].iter().zip(&cookies) {
            let answer = visit(&proxy, cookie).await;
            assert_eq!((answer.body.as_str(), set(&answer)), (*slot, None));
        }
    }
    proxy.flip(&two);
    let moved = visit(&proxy, &cookies[0]).await;
    assert_eq!((moved.body.as_str(), set(&moved)), ("green", Some(cookies[1].clone())));
    assert_eq!(set(&visit(&proxy, &cookies[1]).await), None);
}
