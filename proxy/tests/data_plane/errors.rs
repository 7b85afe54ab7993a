//! Honest errors: each with its status, and none that names what is behind the proxy.

use crate::backend::Backend;
use crate::proxy::{Proxy, SHORT, short, until};
use shunt_proxy::data::ClientLimits;

#[tokio::test]
async fn an_unknown_host_is_404_and_names_nothing() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::start();
    let release = proxy.release("a", &[backend.address]);
    let share = shunt_proxy::route::Share { release, percent: 100 };
    let epoch = std::sync::Arc::new(shunt_proxy::route::Epoch::new(vec![share], 2));
    proxy.publish(Some(epoch), "secret.example.com", "/", false);
    let mut client = proxy.client().await;
    let answer = client.get("/").await;
    assert_eq!(answer.status(), 404);
    assert!(!answer.body.contains("secret") && !answer.head.contains("secret"));
    assert!(answer.body.contains(answer.header("x-request-id").unwrap()), "{}", answer.body);
    client.write("GET / HTTP/1.1\r\nHost: SECRET.example.com:80\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "blue");
    assert_eq!(proxy.plane.meters().unknown_host(), 1);
}

#[tokio::test]
async fn an_answer_that_precedes_routing_has_the_requests_id_too() {
    let proxy = Proxy::start();
    for (line, status) in [("Host: a b", 400), ("Host: a", 404)] {
        let mut client = proxy.client().await;
        client.write(format!("GET / HTTP/1.1\r\n{line}\r\nX-Request-Id: mine\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.header("x-request-id")), (status, Some("mine")));
        assert!(answer.body.ends_with("\nrequest mine\n"), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_app_without_a_serving_release_is_503() {
    let proxy = Proxy::start();
    proxy.publish(None, "web", "/", false);
    assert_eq!(proxy.client().await.get("/").await.status(), 503);
    assert_eq!(proxy.plane.meters().no_release(), 1);
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_502_and_not_named() {
    let dead = Backend::bind().await.address();
    let proxy = Proxy::start();
    let release = proxy.release("a", &[dead]);
    proxy.flip(&release);
    let answer = proxy.client().await.get("/").await;
    assert_eq!(answer.status(), 502);
    assert!(!answer.body.contains(&dead.port().to_string()), "{}", answer.body);
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
    until("it is counted", || release.meters.totals().requests() == 1).await;
    let totals = release.meters.totals();
    assert_eq!((totals.faults[0], totals.retries[0]), (1, 1));
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_504() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(short(|l| l.response = SHORT), ClientLimits::default());
    proxy.flip(&proxy.release("a", &[backend.address()]));
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    assert_eq!(client.answer().await.status(), 504);
    conn.closed().await;
}

#[tokio::test]
async fn a_target_that_speaks_no_http_is_502() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_client_that_stops_in_its_body_is_408() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(short(|l| l.idle = SHORT), ClientLimits::default());
    proxy.flip(&proxy.release("a", &[backend.address()]));
    let mut client = proxy.client().await;
    client.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nab").await;
    let mut conn = backend.accept().await;
    conn.expect("ab").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.header("connection")), (408, Some("close")));
    conn.closed().await;
}

#[tokio::test]
async fn a_target_that_stops_in_its_body_breaks_the_answer_off() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(short(|l| l.idle = SHORT), ClientLimits::default());
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    for head in ["Content-Length: 9\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"] {
        let mut client = proxy.client().await;
        client.send_get("/").await;
        let mut conn = backend.accept().await;
        conn.request().await;
        conn.write(format!("HTTP/1.1 200 OK\r\n{head}")).await;
        client.head().await;
        let rest = String::from_utf8(client.rest().await).unwrap();
        assert!(!rest.contains("\r\n0\r\n"), "an end was made up: {rest:?}");
    }
    until("both are counted", || release.meters.totals().faults[4] == 2).await;
}

#[tokio::test]
async fn requests_that_break_the_protocol_are_400_and_reach_no_target() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    ] {
        let mut client = proxy.client().await;
        client.write(request).await;
        assert_eq!(client.answer().await.status(), 400, "{request:?}");
        assert!(client.rest().await.is_empty(), "the connection ends");
    }
    let mut client = proxy.client().await;
    client.write("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 501);
    assert_eq!(backend.answered(), 0);
}
