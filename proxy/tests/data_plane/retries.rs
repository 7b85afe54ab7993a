//! What is sent again, and what never is.

use crate::backend::Backend;
use crate::client::Client;
use crate::proxy::{Proxy, until};

/// Makes the proxy keep a connection to `backend` and hands over its other end.
async fn kept(backend: &Backend, client: &mut Client) -> crate::backend::Conn {
    client.send_get("/warm").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("warm").await;
    assert_eq!(client.answer().await.body, "warm");
    conn
}

#[tokio::test]
async fn a_get_on_a_kept_connection_that_dies_before_any_answer_is_sent_again() {
    for reset in [false, true] {
        let backend = Backend::bind().await;
        let proxy = Proxy::serving(&[backend.address()]);
        let mut client = proxy.client().await;
        let mut conn = kept(&backend, &mut client).await;
        client.send_get("/again").await;
        assert!(conn.request().await.starts_with("get /again "));
        if reset {
            conn.reset();
        } else {
            drop(conn);
        }
        let mut fresh = backend.accept().await;
        assert!(fresh.request().await.starts_with("get /again "));
        fresh.answer("second").await;
        assert_eq!(client.answer().await.body, "second");
    }
}

#[tokio::test]
async fn a_get_is_sent_again_once_and_no_more() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    let mut conn = kept(&backend, &mut client).await;
    client.send_get("/").await;
    conn.request().await;
    drop(conn);
    let mut fresh = backend.accept().await;
    fresh.request().await;
    drop(fresh);
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_get_that_fails_on_a_fresh_connection_is_not_sent_again() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    drop(conn);
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_get_whose_answer_has_begun_is_not_sent_again() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    let mut conn = kept(&backend, &mut client).await;
    client.send_get("/").await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await;
    client.head().await;
    drop(conn);
    let rest = client.rest().await;
    assert_eq!(rest, b"ab", "broken off, not completed and not begun anew");
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    let mut conn = kept(&backend, &mut client).await;
    client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(conn.request().await.starts_with("post / "));
    conn.expect("hi").await;
    drop(conn);
    assert_eq!(client.answer().await.status(), 502);
    // A POST without a body is a POST all the same.
    let mut client = proxy.client().await;
    let mut conn = kept(&backend, &mut client).await;
    client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n").await;
    conn.request().await;
    drop(conn);
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_kept_connection_that_closed_while_idle_fails_no_request() {
    for request in [
        "GET / HTTP/1.1\r\nHost: web\r\nX-End: hi\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let backend = Backend::bind().await;
        let proxy = Proxy::serving(&[backend.address()]);
        let mut client = proxy.client().await;
        let conn = kept(&backend, &mut client).await;
        drop(conn);
        client.write(request).await;
        let mut fresh = backend.accept().await;
        fresh.expect("hi").await;
        fresh.answer("fresh").await;
        assert_eq!(client.answer().await.body, "fresh", "{request}");
    }
}

#[tokio::test]
async fn any_method_goes_to_another_target_when_no_connection_can_be_made() {
    let dead = Backend::bind().await.address();
    let alive = Backend::answering("alive").await;
    let proxy = Proxy::serving(&[dead, alive.address]);
    let mut client = proxy.client().await;
    for _ in 0..4 {
        client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.body, "alive");
    }
    assert_eq!(alive.answered(), 4);
}

#[tokio::test]
async fn what_was_sent_again_is_counted() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let mut client = proxy.client().await;
    let mut conn = kept(&backend, &mut client).await;
    client.send_get("/").await;
    conn.request().await;
    drop(conn);
    let mut fresh = backend.accept().await;
    fresh.request().await;
    fresh.answer("ok").await;
    client.answer().await;
    until("both are counted", || release.meters.totals().requests() == 2).await;
    let totals = release.meters.totals();
    assert_eq!((totals.retries, totals.classes[1]), ([0, 1], 2));
}
