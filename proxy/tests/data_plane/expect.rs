//! `Expect: 100-continue`, end to end.

use crate::backend::Backend;
use crate::proxy::Proxy;

const ASK: &str =
    "POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n";

#[tokio::test]
async fn the_client_goes_on_when_the_target_says_so() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    let request = conn.request().await;
    assert!(request.contains("expect: 100-continue\r\n"), "{request}");
    conn.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 100"));
    client.write("body").await;
    conn.expect("body").await;
    conn.answer("done").await;
    assert_eq!(client.answer().await.body, "done");
}

#[tokio::test]
async fn a_client_whose_request_is_refused_is_never_told_to_go_on() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.as_str()), (413, "big"));
    conn.closed().await;
}

#[tokio::test]
async fn a_target_that_waits_for_the_body_gets_it_all_the_same() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    assert!(client.head().await.starts_with("http/1.1 100"));
    client.write("body").await;
    conn.expect("body").await;
    conn.answer("done").await;
    assert_eq!(client.answer().await.body, "done");
}

#[tokio::test]
async fn a_target_that_begins_its_answer_first_gets_the_body_all_the_same() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.write(ASK).await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 200"));
    client.write("echo").await;
    conn.expect("echo").await;
    conn.write("echo").await;
    assert_eq!(client.take(4).await, b"echo");
}
