//! What reaches the target, and what comes back.

use std::sync::Arc;

use shunt_proxy::route::{Epoch, Share};

use crate::backend::Backend;
use crate::client::header;
use crate::proxy::{Proxy, until};

#[tokio::test]
async fn a_request_reaches_its_target_and_the_answer_its_client() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write("GET /a?b=c HTTP/1.1\r\nHost: web:80\r\nConnection: x-one\r\nX-One: 1\r\nTE: gzip\r\n\r\n").await;
    let mut conn = backend.accept().await;
    let head = conn.request().await;
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some("web:80"));
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("web:80"));
    assert_eq!(header(&head, "x-request-id").map(str::len), Some(32));
    for gone in ["connection", "x-one", "te"] {
        assert_eq!(header(&head, gone), None, "{gone}");
    }
    conn.write("HTTP/1.1 418 Tea\r\nConnection: x-two\r\nX-Two: 2\r\nX-Three: 3\r\nContent-Length: 3\r\n\r\npot").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.as_str()), (418, "pot"));
    assert_eq!(answer.header("x-three"), Some("3"));
    assert_eq!((answer.header("x-two"), answer.header("connection")), (None, None));
}

#[tokio::test]
async fn connections_on_both_sides_are_kept() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.send_get("/1").await;
    let mut conn = backend.accept().await;
    for (answer, path) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", "/2"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "/3"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "/4"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "/5"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "/6"),
    ] {
        conn.request().await;
        conn.write(answer).await;
        let head = client.head().await;
        let body = match header(&head, "transfer-encoding") {
            Some(_) => 11,
            None if head.contains(" 304 ") => 0,
            None => header(&head, "content-length").map_or(0, |n| n.parse().unwrap()),
        };
        client.take(body).await;
        client.send_get(path).await;
    }
    assert!(conn.request().await.starts_with("get /6 "));
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write("HEAD / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    let mut conn = backend.accept().await;
    assert!(conn.request().await.starts_with("head / "));
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n").await;
    assert_eq!(header(&client.head().await, "content-length"), Some("99"));
    client.send_get("/next").await;
    assert!(conn.request().await.starts_with("get /next "), "the connection was kept");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut client = proxy.client().await;
    client.write("GET /1 HTTP/1.1\r\nHost: web\r\n\r\nGET /2 HTTP/1.1\r\nHost: web\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "blue");
    assert_eq!(client.answer().await.body, "blue");
    assert_eq!(backend.answered(), 2);
}

#[tokio::test]
async fn a_stripped_prefix_does_not_reach_the_target() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let share = Share { release: proxy.release("a", &[backend.address()]), percent: 100 };
    proxy.publish(Some(Arc::new(Epoch::new(vec![share], 2))), "web", "/api", true);
    let mut client = proxy.client().await;
    client.send_get("/api/users?id=1").await;
    let head = backend.accept().await.request().await;
    assert!(head.starts_with("get /users?id=1 "), "{head}");
    assert_eq!(header(&head, "x-forwarded-prefix"), Some("/api"));
}

#[tokio::test]
async fn requests_go_round_the_usable_targets() {
    let (one, two) = (Backend::answering("one").await, Backend::answering("two").await);
    let proxy = Proxy::start();
    let release = proxy.release("a", &[one.address, two.address]);
    proxy.flip(&release);
    let mut client = proxy.client().await;
    for _ in 0..10 {
        client.get("/").await;
    }
    assert_eq!((one.answered(), two.answered()), (5, 5));
    release.targets[0].set_usable(false);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "two");
    }
    release.targets[1].set_usable(false);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status(), 200, "when none is usable, all are tried");
    }
    assert_eq!((one.answered(), two.answered()), (10, 20));
}

#[tokio::test]
async fn a_retired_release_keeps_no_connection() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let (old, new) =
        (proxy.release("old", &[backend.address()]), proxy.release("new", &[backend.address()]));
    proxy.flip(&old);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("old").await;
    client.answer().await;
    let closed = proxy.flip(&new).unwrap();
    until("the old epoch is drained", || closed.all_leases() == 0).await;
    old.retire();
    conn.closed().await;
    client.send_get("/").await;
    backend.accept().await.request().await;
}
