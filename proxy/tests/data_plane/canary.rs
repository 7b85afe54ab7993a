//! A split between two releases, by visitor.

use futures_util::future::join_all;

use crate::client::{Answer, Client};
use crate::gated::Gated;
use crate::proxy::Proxy;

const COOKIE: &str = r#""split":"cookie""#;

/// Sends a GET with these header lines on a kept connection.
async fn ask(client: &mut Client, lines: &str) -> Answer {
    client.write(format!("GET / HTTP/1.1\r\nHost: web\r\n{lines}\r\n")).await;
    client.raw_answer().await
}

/// A browser: what it was told to keep, and where it was.
#[derive(Clone, Debug, Default)]
struct Visitor {
    cookie: Option<String>,
    been: Vec<String>,
}

impl Visitor {
    async fn visit(&mut self, client: &mut Client) {
        let lines = self.cookie.iter().map(|cookie| format!("Cookie: {cookie}\r\n"));
        let answer = ask(client, &lines.collect::<String>()).await;
        if let Some(set) = answer.header("set-cookie") {
            assert!(self.cookie.is_none(), "told once");
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        self.been.push(answer.body);
    }

    /// How often it went from one release to another.
    fn moves(&self) -> usize {
        self.been.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

/// Every visitor asks once, on one of a few connections; returns how many were on `green`.
async fn all_visit(proxy: &Proxy, visitors: &mut [Visitor]) -> usize {
    let each = visitors.len().div_ceil(8);
    join_all(visitors.chunks_mut(each).map(async |some| {
        let mut client = proxy.client().await;
        for visitor in some {
            visitor.visit(&mut client).await;
        }
    }))
    .await;
    visitors.iter().filter(|visitor| visitor.been.last().is_some_and(|at| at == "green")).count()
}

#[tokio::test]
async fn ten_thousand_visitors_are_divided_as_the_share_says_and_move_once_at_most() {
    let (blue, green) = (Gated::open("blue").await, Gated::open("green").await);
    let proxy = Proxy::start();
    let (one, two) = (proxy.release("1", &[blue.address]), proxy.release("2", &[green.address]));
    let mut visitors = vec![Visitor::default(); 10_000];
    for percent in [1, 10, 50] {
        proxy.divide((&one, &two), percent, COOKIE);
        let on_green = all_visit(&proxy, &mut visitors).await;
        println!("{percent} %: {on_green} of {}", visitors.len());
        assert!(on_green.abs_diff(usize::from(percent) * 100) <= 50, "{percent} %: {on_green}");
    }
    proxy.flip(&two);
    assert_eq!(all_visit(&proxy, &mut visitors).await, visitors.len());
    assert!(visitors.iter().all(|visitor| visitor.moves() <= 1), "someone went back and forth");
    // The next release is tried in the other slot: whoever is first moves, and nobody comes back.
    for percent in [90, 50] {
        proxy.divide((&one, &two), percent, COOKIE);
        let on_green = all_visit(&proxy, &mut visitors).await;
        assert!(on_green.abs_diff(usize::from(percent) * 100) <= 50, "{percent} %: {on_green}");
    }
    assert!(visitors.iter().all(|visitor| visitor.moves() <= 2));
    // It is given up: nobody is there any more.
    proxy.flip(&two);
    assert_eq!(all_visit(&proxy, &mut visitors).await, visitors.len());
}

#[tokio::test]
async fn visitors_get_a_number_only_while_requests_are_split() {
    let (blue, green) = (Gated::open("blue").await, Gated::open("green").await);
    let proxy = Proxy::start();
    let (one, two) = (proxy.release("1", &[blue.address]), proxy.release("2", &[green.address]));
    proxy.flip(&one);
    let mut client = proxy.client().await;
    assert_eq!(ask(&mut client, "").await.header("set-cookie"), None);
    proxy.divide((&one, &two), 50, COOKIE);
    let set = ask(&mut client, "").await.header("set-cookie").unwrap().to_owned();
    assert!(set.starts_with("shunt-web.visitor="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    // One that was not made here is none.
    let forged = "Cookie: shunt-web.visitor=1.AAAAAAAAAAAAAAAAAAAAAA\r\n";
    assert!(ask(&mut client, forged).await.header("set-cookie").is_some());
    proxy.divide((&one, &two), 50, r#""split":"request""#);
    let answers = [ask(&mut client, "").await, ask(&mut client, "").await];
    assert!(answers.iter().all(|answer| answer.header("set-cookie").is_none()));
    proxy.divide((&one, &two), 50, r#""split":"address""#);
    let homes = [ask(&mut client, "").await, ask(&mut proxy.client().await, "").await];
    assert_eq!(homes[0].body, homes[1].body, "one address is one visitor");
    assert!(homes.iter().all(|answer| answer.header("set-cookie").is_none()));
}

#[tokio::test]
async fn testers_go_to_the_new_release_while_requests_are_split_and_nobody_else_is_one() {
    let (blue, green) = (Gated::open("blue").await, Gated::open("green").await);
    let proxy = Proxy::start();
    let (one, two) = (proxy.release("1", &[blue.address]), proxy.release("2", &[green.address]));
    let settings = r#""split":"cookie","testers":{"header":"X-Canary: yes","cookie":"canary"}"#;
    let mut client = proxy.client().await;
    proxy.divide((&one, &two), 1, settings);
    for _ in 0..20 {
        for lines in ["X-Canary: yes\r\n", "Cookie: canary=1\r\n"] {
            let answer = ask(&mut client, lines).await;
            assert_eq!((answer.body.as_str(), answer.header("set-cookie")), ("green", None));
        }
    }
    let mut others = 0;
    for _ in 0..100 {
        others += usize::from(ask(&mut client, "X-Canary: no\r\n").await.body == "green");
    }
    assert!(others <= 5, "{others} of 100");
    // To caches, the field is a part of what was asked; nothing else need be known of it.
    for lines in ["X-Canary: yes\r\n", "Cookie: canary=1\r\n", ""] {
        assert_eq!(ask(&mut client, lines).await.header("vary"), Some("x-canary"), "{lines}");
    }
    proxy.flip(&one);
    let answer = ask(&mut client, "X-Canary: yes\r\n").await;
    assert_eq!((answer.body.as_str(), answer.header("vary")), ("blue", None));
}

/// Who stays with a release has something there: it is new visitors who are divided.
#[tokio::test]
async fn a_visitor_who_stays_with_a_release_is_not_moved_before_the_flip() {
    for to in ["slot", "target"] {
        let (blue, green) = (Gated::open("blue").await, Gated::open("green").await);
        let settings = format!(r#"{COOKIE},"sticky":"{to}""#);
        let proxy = Proxy::start();
        let (one, two) = (
            proxy.spread("1", &[blue.address], &settings),
            proxy.spread("2", &[green.address], &settings),
        );
        proxy.flip(&one);
        let mut client = proxy.client().await;
        let set = ask(&mut client, "").await.header("set-cookie").unwrap().to_owned();
        let stays = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
        for percent in [1, 50, 99] {
            proxy.divide((&one, &two), percent, &settings);
            let answer = ask(&mut client, &stays).await;
            assert_eq!((answer.body.as_str(), answer.header("set-cookie")), ("blue", None), "{to}");
        }
        // A new visitor gets both cookies, and stays by either.
        let new = ask(&mut client, "").await;
        let cookies: Vec<_> =
            new.head.lines().filter(|line| line.starts_with("set-cookie")).collect();
        assert_eq!(cookies.len(), 2, "{cookies:?}");
        proxy.flip(&two);
        assert_eq!(ask(&mut client, &stays).await.body, "green");
    }
}
