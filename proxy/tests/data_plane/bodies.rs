//! Bodies of any size, in both directions, at once.

use crate::backend::Backend;
use crate::client::{find, within};
use crate::proxy::Proxy;

#[tokio::test]
async fn an_answer_that_starts_before_its_request_ends_stalls_nothing() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 1024;
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    let length = CHUNK * CHUNKS;
    client.write(format!("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: {length}\r\n\r\n")).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    // The answer begins at once and is larger than any buffer between the two ends; the client
    // reads none of it before it has sent everything.
    let answer = vec![b'x'; 4 * 1024 * 1024];
    let target = tokio::spawn(async move {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len() + 4))
            .await;
        let (first, second) = answer.split_at(256 * 1024);
        conn.write(first).await;
        conn.swallow(length).await;
        conn.write(second).await;
        conn.write("done").await;
        conn
    });
    let chunk = vec![b'u'; CHUNK];
    for _ in 0..CHUNKS {
        client.write(&chunk).await;
    }
    client.head().await;
    let body = client.take(4 * 1024 * 1024 + 4).await;
    assert!(body.ends_with(b"xdone"));
    let mut conn = within("the target has read all", target).await.unwrap();
    // It is of no use to anybody any more.
    conn.closed().await;
}

#[tokio::test]
async fn chunked_bodies_pass_in_both_directions() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client
        .write("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    let mut conn = backend.accept().await;
    assert!(conn.request().await.contains("transfer-encoding: chunked"));
    conn.expect("3\r\nabc\r\n0\r\n\r\n").await;
    conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "xy");
}

#[tokio::test]
async fn each_piece_of_a_stream_is_passed_on_at_once() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.send_get("/events").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    for _ in 0..5 {
        conn.write("5\r\nevent\r\n").await;
        assert!(find(&client.take(10).await, b"event").is_some());
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_ends_for_the_client() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    drop(conn);
    assert_eq!(client.answer().await.body, "all of it");
}

#[tokio::test]
async fn a_client_that_breaks_its_body_off_breaks_it_off_for_the_target() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client
        .write("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut conn = backend.accept().await;
    conn.expect("abc").await;
    drop(client);
    conn.closed().await;
}
