//! Which target a request goes to. The connections of a test are spread over the data threads by
//! the kernel, so what is promised here holds for all threads together.

use crate::client::Client;
use crate::gated::Gated;
use crate::proxy::{Proxy, until};

/// Sends a GET with the line `field` on a connection of its own; who answered.
async fn ask(proxy: &Proxy, field: &str) -> String {
    let mut client = proxy.client().await;
    client.write(format!("GET / HTTP/1.1\r\nHost: web\r\n{field}\r\n\r\n")).await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn a_busy_target_gets_nothing_while_another_is_idle_whichever_thread_knows_it() {
    for balance in ["least_requests", "two_choices"] {
        let (a, b) = (Gated::shut("a").await, Gated::open("b").await);
        let settings = format!(r#""balance":"{balance}""#);
        let (proxy, release) = Proxy::spreading(&[a.address, b.address], &settings);
        // Sooner or later one goes to `a`, and stays there.
        let mut held: Vec<Client> = Vec::new();
        while a.count() == 0 {
            let mut client = proxy.client().await;
            client.send_get("/held").await;
            until("it arrives", || a.count() > 0 || b.count() > held.len()).await;
            held.push(client);
        }
        let before = b.count();
        for _ in 0..20 {
            assert_eq!(ask(&proxy, "x: y").await, "b");
        }
        assert_eq!((a.count(), b.count()), (1, before + 20), "{balance}");
        a.let_through(1000);
        let mut last = held.pop().unwrap();
        assert_eq!(last.answer().await.body, "a");
        // When it is over the counts are level again, and both are chosen.
        while a.count() == 1 {
            ask(&proxy, "x: y").await;
        }
        assert!(release.targets.iter().all(|target| target.is_usable()));
    }
}

#[tokio::test]
async fn the_same_key_goes_to_the_same_target_and_keys_go_to_all() {
    for (by, field) in
        [("header:x-tenant", "X-Tenant: "), ("cookie:tenant", "Cookie: a=b; tenant=")]
    {
        let (a, b) = (Gated::open("a").await, Gated::open("b").await);
        let settings = format!(r#""balance":{{"consistent_hash":"{by}"}}"#);
        let (proxy, release) = Proxy::spreading(&[a.address, b.address], &settings);
        let mut homes = Vec::new();
        for tenant in 0..12 {
            let field = format!("{field}{tenant}");
            let home = ask(&proxy, &field).await;
            for _ in 0..4 {
                assert_eq!(ask(&proxy, &field).await, home, "{by} {tenant}");
            }
            homes.push(home);
        }
        assert!(homes.contains(&"a".to_owned()) && homes.contains(&"b".to_owned()), "{homes:?}");
        // Who was with the target that is left stays there; the others join it, and come back.
        release.targets[0].set_usable(false);
        for tenant in 0..12 {
            assert_eq!(ask(&proxy, &format!("{field}{tenant}")).await, "b");
        }
        release.targets[0].set_usable(true);
        for (tenant, home) in homes.iter().enumerate() {
            assert_eq!(ask(&proxy, &format!("{field}{tenant}")).await, *home);
        }
        // Without a key it goes in turn: on one connection, so on one thread, both have their turn.
        let (before_a, before_b) = (a.count(), b.count());
        let mut client = proxy.client().await;
        for _ in 0..4 {
            client.get("/").await;
        }
        assert_eq!((a.count() - before_a, b.count() - before_b), (2, 2), "{by}");
    }
}

#[tokio::test]
async fn by_its_address_a_client_has_one_target_on_every_connection() {
    let (a, b) = (Gated::open("a").await, Gated::open("b").await);
    let settings = r#""balance":{"consistent_hash":"client_address"}"#;
    let (proxy, _) = Proxy::spreading(&[a.address, b.address], settings);
    let home = ask(&proxy, "x: y").await;
    for n in 0..20 {
        assert_eq!(ask(&proxy, &format!("x: {n}")).await, home);
    }
}
