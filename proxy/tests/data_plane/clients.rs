//! Client connections: how long they may do nothing, and how they end.

use std::time::Duration;

use shunt_config::proxy_file;
use shunt_proxy::data::ClientLimits;

use crate::backend::Backend;
use crate::client::{Client, within};
use crate::proxy::{Proxy, SHORT, limits, patience, until};

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_connection_idle_for_too_long_is_closed() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::with(limits(), patience(SHORT, LONG));
    proxy.flip(&proxy.release("a", &[backend.address]));
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.body, "blue");
    assert!(client.rest().await.is_empty());
    until("it is not counted any more", || proxy.plane.connections() == 0).await;
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_not_waited_for() {
    let proxy = Proxy::with(limits(), patience(LONG, SHORT));
    let mut slow = proxy.client().await;
    slow.write("GET / HTTP/1.1\r\nHost:").await;
    assert!(slow.rest().await.is_empty());
    assert!(proxy.client().await.rest().await.is_empty(), "nor one that never begins");
}

#[tokio::test]
async fn a_request_outlives_the_limits_of_the_stages_before_it() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(limits(), patience(SHORT, SHORT));
    proxy.flip(&proxy.release("a", &[backend.address()]));
    let (mut client, idle) = (proxy.client().await, proxy.client().await);
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    assert!(idle.rest().await.is_empty(), "the limits are over for the idle one");
    conn.answer("late").await;
    assert_eq!(client.answer().await.body, "late");
}

#[tokio::test]
async fn a_shutdown_finishes_what_runs_and_ends_what_is_idle() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let (mut busy, mut idle) = (proxy.client().await, proxy.client().await);
    idle.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("idle").await;
    idle.answer().await;
    busy.send_get("/").await;
    // Either the kept connection or, if the other thread serves this client, a new one.
    let mut conn = tokio::select! {
        mut fresh = backend.accept() => { fresh.request().await; fresh }
        _ = conn.request() => conn,
    };
    let address = proxy.address;
    let mut ending = tokio::spawn(proxy.plane.shutdown(LONG));
    assert!(idle.rest().await.is_empty());
    within("nobody listens any more", async {
        while let Ok(stream) = tokio::net::TcpStream::connect(address).await {
            drop(stream);
        }
    })
    .await;
    assert!(futures_util::poll!(&mut ending).is_pending(), "a request still runs");
    conn.answer("finished").await;
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("finished", Some("close")));
    assert_eq!(within("the shutdown ends", ending).await.unwrap(), 0);
}

#[tokio::test]
async fn a_shutdown_cuts_what_outlasts_its_grace_and_counts_it() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client: Client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    let cut = within("the shutdown ends", proxy.plane.shutdown(SHORT)).await;
    assert_eq!(cut, 1);
    assert!(client.rest().await.is_empty());
    conn.closed().await;
}

#[tokio::test]
async fn the_last_request_of_a_connection_is_answered_as_the_last() {
    let backend = Backend::answering("blue").await;
    let client = proxy_file::Client { requests: 2, ..proxy_file::Client::default() };
    let proxy = Proxy::with(limits(), ClientLimits { client, ..ClientLimits::default() });
    proxy.flip(&proxy.release("first", &[backend.address]));
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.header("connection"), None);
    assert_eq!(client.get("/").await.header("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_shutdown_waits_for_no_client_that_has_no_request() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut half = proxy.client().await;
    assert_eq!(half.get("/").await.body, "blue");
    half.write("GET /next HTTP/1.1\r\nHost:").await;
    let mut first = proxy.client().await;
    first.write("GET / HTTP/1.1\r\nHo").await;
    let mut undecided = proxy.client().await;
    undecided.write("PRI * HT").await;
    let mut silent = proxy.client().await;
    silent.write("").await;
    until("all four are accepted", || proxy.plane.connections() == 4).await;
    let cut = within("the shutdown ends", proxy.plane.shutdown(LONG)).await;
    assert_eq!(cut, 0);
    for client in [half, first, undecided, silent] {
        assert!(client.rest().await.is_empty());
    }
}

#[tokio::test]
async fn a_request_that_came_before_the_shutdown_is_answered() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.body, "blue");
    client.send_get("/last").await;
    let ending = tokio::spawn(proxy.plane.shutdown(LONG));
    let answer = client.answer().await;
    assert_eq!(answer.body, "blue");
    assert_eq!(within("the shutdown ends", ending).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_on_http_2_that_never_says_it_has_heard_is_not_waited_for() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut client = proxy.client().await;
    // The preface and empty SETTINGS; nothing is ever acknowledged.
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.write([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let head = client.take(9).await;
    assert_eq!(head[3], 4, "the proxy's SETTINGS: it is connected");
    let cut = within("the shutdown ends", proxy.plane.shutdown(LONG)).await;
    assert_eq!(cut, 0);
    let rest = client.rest().await;
    let goaway = rest.windows(6).any(|frame| frame == [0, 0, 8, 7, 0, 0]);
    assert!(goaway, "it was told to go: {rest:?}");
}
