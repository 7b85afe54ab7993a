//! Promise 1: a request is sent to exactly one release, and a flip fails none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use shunt_proxy::data::ClientLimits;

use crate::backend::Backend;
use crate::client::{Client, within};
use crate::proxy::{Proxy, SHORT, short, until};

#[tokio::test]
async fn a_request_in_flight_across_a_flip_finishes_on_the_slot_it_started_on() {
    let (blue, green) = (Backend::bind().await, Backend::answering("green").await);
    let proxy = Proxy::serving(&[blue.address()]);
    let mut held = proxy.client().await;
    held.send_get("/").await;
    let mut conn = blue.accept().await;
    conn.request().await;

    let closed = proxy.flip(&proxy.release("green", &[green.address])).unwrap();
    assert_eq!(proxy.client().await.get("/").await.body, "green");
    assert_eq!(closed.leases(&"first".into()), 1, "the drain waits for the held request");

    conn.answer("blue").await;
    assert_eq!(held.answer().await.body, "blue");
    within("the drain ends", closed.drained()).await;
}

#[tokio::test]
async fn a_flip_takes_effect_on_the_next_request_of_a_kept_alive_connection() {
    let (blue, green) = (Backend::answering("blue").await, Backend::answering("green").await);
    let proxy = Proxy::serving(&[blue.address]);
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.body, "blue");
    proxy.flip(&proxy.release("green", &[green.address]));
    assert_eq!(client.get("/").await.body, "green");
    assert_eq!((blue.answered(), green.answered()), (1, 1));
}

#[tokio::test]
async fn a_streaming_body_holds_the_drain_until_its_last_byte() {
    let blue = Backend::bind().await;
    let proxy = Proxy::serving(&[blue.address()]);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = blue.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbl").await;
    client.head().await;
    assert_eq!(client.take(2).await, b"bl");

    let closed = proxy.flip(&proxy.release("green", &[blue.address()])).unwrap();
    assert_eq!(closed.all_leases(), 1);
    conn.write("ue").await;
    assert_eq!(client.take(2).await, b"ue");
    assert_eq!(closed.all_leases(), 1, "two bytes are still to come");
    conn.write("!!").await;
    assert_eq!(client.take(2).await, b"!!");
    within("the drain ends", closed.drained()).await;
}

#[tokio::test]
async fn an_upload_that_outlives_its_answer_holds_the_drain() {
    let blue = Backend::bind().await;
    let proxy = Proxy::serving(&[blue.address()]);
    let mut client = proxy.client().await;
    client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 6\r\n\r\nabc").await;
    let mut conn = blue.accept().await;
    conn.request().await;
    conn.answer("early").await;
    assert_eq!(client.answer().await.body, "early");

    let closed = proxy.flip(&proxy.release("green", &[blue.address()])).unwrap();
    assert_eq!(closed.all_leases(), 1, "the request body is not over");
    client.write("def").await;
    conn.expect("abcdef").await;
    within("the drain ends", closed.drained()).await;
}

#[tokio::test]
async fn an_upload_that_its_target_no_longer_takes_ends_when_nothing_has_moved_for_long() {
    let blue = Backend::bind().await;
    let limits = short(|limits| limits.idle = SHORT);
    let proxy = Proxy::with(limits, ClientLimits::default());
    proxy.flip(&proxy.release("first", &[blue.address()]));
    let mut client = proxy.client().await;
    client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100000000\r\n\r\n").await;
    let mut conn = blue.accept().await;
    conn.request().await;
    conn.answer("no more").await;
    assert_eq!(client.answer().await.body, "no more");
    let upload = tokio::spawn(async move { client.write(vec![b'x'; 100_000_000]).await });
    let closed = proxy.flip(&proxy.release("green", &[blue.address()])).unwrap();
    within("the drain ends", closed.drained()).await;
    // All that time the target has kept its connection.
    drop(conn);
    upload.abort();
}

#[tokio::test]
async fn a_client_that_hangs_up_releases_its_lease_and_its_target() {
    let blue = Backend::bind().await;
    let proxy = Proxy::serving(&[blue.address()]);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = blue.accept().await;
    conn.request().await;
    let closed = proxy.flip(&proxy.release("green", &[blue.address()])).unwrap();
    assert_eq!(closed.all_leases(), 1);
    drop(client);
    conn.closed().await;
    within("the drain ends", closed.drained()).await;
}

#[tokio::test]
async fn no_request_sees_a_closed_slot_under_a_storm_of_flips() {
    let (blue, green) = (Backend::answering("blue").await, Backend::answering("green").await);
    let proxy = Arc::new(Proxy::serving(&[blue.address]));
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, done) = (proxy.address, Arc::clone(&done));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut sent = 0;
                while !done.load(SeqCst) {
                    let answer = client.get("/").await;
                    assert_eq!(answer.status(), 200, "{}", answer.body);
                    sent += 1;
                    if answer.header("connection") == Some("close") {
                        client = Client::connect(address).await;
                    }
                }
                sent
            })
        })
        .collect();
    for n in 0..300 {
        let target = if n % 2 == 0 { green.address } else { blue.address };
        let release = proxy.release(&n.to_string(), &[target]);
        let closed = proxy.flip(&release).unwrap();
        within("the drain ends", closed.drained()).await;
        let before = blue.answered() + green.answered();
        until("requests go on", || blue.answered() + green.answered() > before).await;
    }
    done.store(true, SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    assert_eq!(sent, blue.answered() + green.answered(), "each was sent to exactly one release");
}
