//! Connections of HTTP/1.1 on which nothing has happened for a moment, and of which hardly anything is
//! kept: nobody but the proxy can tell.

use std::time::Duration;

use shunt_proxy::data::{ClientLimits, Room};

use crate::backend::Backend;
use crate::client::{Client, within};
use crate::proxy::{Proxy, limits, patience, until};

const LONG: Duration = Duration::from_mins(1);

async fn resting(proxy: &Proxy, count: usize) {
    until("the connections rest", || proxy.plane.resting() == count).await;
}

/// Answers the next request, on a connection of its own, with `body`; returns the request's head.
async fn answer(backend: &Backend, body: &str) -> String {
    let mut conn = backend.accept().await;
    let head = conn.request().await;
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    conn.write(answer + body).await;
    head
}

/// A proxy in front of `backend`. It has one thread, so that all of it has seen what one connection has.
fn serving(backend: &Backend, client: ClientLimits) -> Proxy {
    let proxy = Proxy::with_room(limits(), client, 1, Room::of(usize::MAX));
    proxy.flip(&proxy.release("first", &[backend.address()]));
    proxy
}

/// The same, and a connection to it that rests after a request.
async fn rested(backend: &Backend, client: ClientLimits) -> (Proxy, Client) {
    let proxy = serving(backend, client);
    let mut client = proxy.client().await;
    client.send_get("/").await;
    answer(backend, "blue").await;
    assert_eq!(client.answer().await.body, "blue");
    resting(&proxy, 1).await;
    (proxy, client)
}

#[tokio::test]
async fn a_connection_at_rest_goes_on_with_whatever_comes() {
    let backend = Backend::bind().await;
    let (proxy, mut client) = rested(&backend, ClientLimits::default()).await;
    client.write("POST /whole HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbo").await;
    let mut conn = backend.accept().await;
    assert!(conn.request().await.starts_with("post /whole "));
    until("it does not rest any more", || proxy.plane.resting() == 0).await;
    client.write("dy").await;
    conn.expect("body").await;
    conn.answer("whole").await;
    assert_eq!(client.answer().await.body, "whole");
    assert_eq!(proxy.plane.connections(), 1);
}

#[tokio::test]
async fn half_a_head_that_came_before_the_rest_is_not_lost_in_it() {
    let backend = Backend::bind().await;
    let proxy = serving(&backend, ClientLimits::default());
    let mut client = proxy.client().await;
    client.write("GET / HTTP/1.1\r\nHost: web\r\n\r\nGET /next HTTP/1.1\r\nHo").await;
    answer(&backend, "first").await;
    assert_eq!(client.answer().await.body, "first");
    resting(&proxy, 1).await;
    client.write("st: web\r\n\r\n").await;
    let head = answer(&backend, "next").await;
    assert!(head.starts_with("get /next http/1.1\r\nhost: web\r\n"), "{head}");
    assert_eq!(client.answer().await.body, "next");
}

#[tokio::test]
async fn a_request_body_that_outlasts_its_answer_is_no_rest() {
    let backend = Backend::bind().await;
    let proxy = serving(&backend, ClientLimits::default());
    let mut uploading = proxy.client().await;
    uploading.write("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\n12345").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("early").await;
    assert_eq!(uploading.answer().await.body, "early");
    // One that has been idle for less long rests, and alone.
    let mut other = proxy.client().await;
    other.send_get("/").await;
    answer(&backend, "other").await;
    assert_eq!(other.answer().await.body, "other");
    resting(&proxy, 1).await;
    uploading.write("67890").await;
    conn.expect("1234567890").await;
    resting(&proxy, 2).await;
}

#[tokio::test]
async fn the_time_to_be_idle_goes_on_while_a_connection_rests() {
    let backend = Backend::bind().await;
    let (proxy, client) = rested(&backend, patience(Duration::from_secs(1), LONG)).await;
    assert!(client.rest().await.is_empty());
    until("it is not counted any more", || proxy.plane.connections() == 0).await;
    assert_eq!(proxy.plane.resting(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_while_it_rests() {
    let backend = Backend::bind().await;
    let (proxy, client) = rested(&backend, ClientLimits::default()).await;
    assert_eq!(proxy.plane.connections(), 1);
    drop(client);
    until("it is not counted any more", || proxy.plane.connections() == 0).await;
}

#[tokio::test]
async fn a_shutdown_answers_what_came_while_a_connection_rested_and_ends_the_others() {
    let backend = Backend::bind().await;
    let (proxy, mut client) = rested(&backend, ClientLimits::default()).await;
    let mut silent = proxy.client().await;
    silent.send_get("/").await;
    answer(&backend, "blue").await;
    silent.answer().await;
    resting(&proxy, 2).await;
    client.send_get("/last").await;
    let ending = tokio::spawn(proxy.plane.shutdown(LONG));
    assert!(silent.rest().await.is_empty());
    assert!(answer(&backend, "last").await.starts_with("get /last "));
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("last", Some("close")));
    assert!(client.rest().await.is_empty());
    assert_eq!(within("the shutdown ends", ending).await.unwrap(), 0);
}
