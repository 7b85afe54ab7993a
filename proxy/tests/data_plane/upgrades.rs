//! What a connection may become, and what it may not.

use shunt_proxy::data::ClientLimits;

use crate::backend::Backend;
use crate::client::within;
use crate::proxy::{Proxy, SHORT, short, until};

/// Asks for a WebSocket.
pub(crate) const ASK: &str = "GET /ws HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// Accepts it.
pub(crate) const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                      Upgrade: WebSocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn what_was_asked_for_and_accepted_becomes_a_tunnel_that_is_a_lease() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let mut client = proxy.client().await;
    // Bytes that follow at once are the tunnel's, on both sides.
    client.write(format!("{ASK}early")).await;
    let mut conn = backend.accept().await;
    let request = conn.request().await;
    assert!(request.contains("connection: upgrade\r\n"), "{request}");
    assert!(request.contains("upgrade: websocket\r\n"), "{request}");
    conn.write(format!("{ACCEPT}first")).await;
    let answer = client.head().await;
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    assert_eq!(client.take(5).await, b"first");
    conn.expect("early").await;

    let closed = proxy.flip(&proxy.release("b", &[backend.address()])).unwrap();
    assert_eq!(closed.all_leases(), 1, "the tunnel is a lease");
    client.write("more").await;
    conn.expect("more").await;
    // Each side may end its half.
    drop(client);
    conn.closed().await;
    drop(conn);
    within("the lease ends", closed.drained()).await;
    let totals = release.meters.totals();
    assert_eq!(totals.classes[0], 1, "one answer, of the class 1xx");
    assert_eq!(totals.tunnels, [1, 0, 0, 0, 0], "ended by the client");
}

#[tokio::test]
async fn a_flip_asks_websockets_to_go_away_between_two_frames() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(short(|l| l.drain = SHORT), ClientLimits::default());
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write(ACCEPT).await;
    client.head().await;
    // A text frame of four bytes, of which two have come when the release is replaced.
    conn.write(b"\x81\x04ab").await;
    assert_eq!(client.take(4).await, b"\x81\x04ab");
    let closed = proxy.flip(&proxy.release("b", &[backend.address()])).unwrap();
    until("its time has come", || !release.is_admitted()).await;
    conn.write(b"cd").await;
    assert_eq!(client.take(2).await, b"cd");
    // Close, 1001.
    let frame = client.take(4).await;
    assert_eq!((frame[0], &frame[2..4]), (0x88, &1001u16.to_be_bytes()[..]));
    client.take(usize::from(frame[1]) - 2).await;
    // The client's own close frame, masked with zeros, ends it.
    client.write(b"\x88\x82\0\0\0\0\x03\xe9").await;
    assert!(client.rest().await.is_empty());
    conn.closed().await;
    within("the lease ends", closed.drained()).await;
    assert_eq!(release.meters.totals().tunnels, [0, 0, 0, 1, 0], "drained");
}

#[tokio::test]
async fn a_target_that_refuses_answers_as_ever_and_keeps_its_connection() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("no").await;
    assert_eq!(client.answer().await.body, "no");
    client.send_get("/").await;
    conn.request().await;
    conn.answer("again").await;
    assert_eq!(client.answer().await.body, "again");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_502() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let other = ACCEPT.replace("WebSocket", "other");
    let plain = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";
    for (nth, (ask, accept)) in [(plain, ACCEPT), (ASK, other.as_str())].into_iter().enumerate() {
        let mut client = proxy.client().await;
        client.write(ask).await;
        let mut conn = backend.accept().await;
        conn.request().await;
        conn.write(accept).await;
        assert_eq!(client.answer().await.status(), 502);
        conn.closed().await;
        until("it is counted", || release.meters.totals().faults.iter().sum::<u64>() > nth as u64)
            .await;
    }
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_not_forwarded() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client
        .write(
            "GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
        )
        .await;
    let mut conn = backend.accept().await;
    let request = conn.request().await;
    assert!(!request.contains("upgrade") && !request.contains("http2-settings"), "{request}");
    conn.answer("plain").await;
    assert_eq!(client.answer().await.body, "plain");
}
