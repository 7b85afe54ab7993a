use std::net::SocketAddr;
use std::time::Duration;

use demo::app::{App, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn ask(app: &Running, head: &str) -> String {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads until `text` is there.
async fn read_to(stream: &mut TcpStream, text: &str) -> String {
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains(text) {
        assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0, "ended before {text}");
    }
    String::from_utf8(got).unwrap()
}

#[tokio::test]
async fn an_answer_names_its_release_and_instance() {
    let app = App::new("1.1").instance("web-3").start(LOOPBACK).unwrap();
    let answer = ask(&app, "GET /").await;
    assert!(answer.contains("x-release: 1.1\r\n"), "{answer}");
    assert!(answer.contains("x-instance: web-3\r\n"), "{answer}");
    assert!(answer.ends_with("release 1.1, from web-3\n"), "{answer}");
}

#[tokio::test]
async fn a_broken_release_and_a_starting_one_are_not_up_and_say_why() {
    let app = App::new("2").broken().start(LOOPBACK).unwrap();
    let answer = ask(&app, "GET /up").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("no database"), "{answer}");
    app.set_broken(false);
    assert!(ask(&app, "GET /up").await.starts_with("HTTP/1.1 200 "));

    let slow = App::new("3").ready_after(Duration::from_hours(1)).start(LOOPBACK).unwrap();
    let answer = ask(&slow, "GET /up").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("migrations"), "{answer}");
}

#[tokio::test]
async fn what_is_in_flight_when_the_app_stops_is_answered_to_its_end() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let address = app.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\none")
        .await
        .unwrap();
    read_to(&mut stream, "one").await;
    let stopping = tokio::spawn(app.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"two").await.unwrap();
    read_to(&mut stream, "two").await;
    stopping.await.unwrap();
}

#[tokio::test]
async fn an_early_digest_answers_its_head_before_the_upload_has_ended() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = b"POST /digest?early HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na";
    stream.write_all(head).await.unwrap();
    read_to(&mut stream, "200 OK").await;
    stream.write_all(b"bc").await.unwrap();
    read_to(&mut stream, "3 bytes, e71fa2190541574b").await;
}

#[tokio::test]
async fn the_head_of_a_request_comes_back_line_by_line() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let answer = ask(&app, "PATCH /headers?x=1 HTTP/1.1\r\nA: 1\r\na: 2\r\nignore:").await;
    let json = answer.split("\r\n\r\n").nth(1).unwrap();
    let head: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(head["method"], "PATCH");
    assert_eq!(head["target"], "/headers?x=1");
    assert_eq!(head["headers"][0], serde_json::json!(["a", "1"]));
    assert_eq!(head["headers"][1], serde_json::json!(["a", "2"]));
}

#[tokio::test]
async fn a_session_is_in_the_memory_of_its_instance_and_so_is_its_websocket() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let first = ask(&app, "GET /session").await;
    assert!(first.ends_with("visit 1\n"), "{first}");
    let (_, cookie) = first.split_once("set-cookie: ").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();
    let with = format!("HTTP/1.1\r\ncookie: theme=dark; {cookie}\r\nx: ");
    let again = ask(&app, &format!("GET /session {with}")).await;
    assert!(again.ends_with("visit 2\n"), "{again}");
    let other = App::new("2").start(LOOPBACK).unwrap();
    for path in ["/session", "/socket"] {
        let lost = ask(&other, &format!("GET {path} {with}")).await;
        assert!(lost.starts_with("HTTP/1.1 401 "), "{lost}");
    }

    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "GET /socket HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_to(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    // Masked with zeros.
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x81\x0drelease 1: hi");
}
