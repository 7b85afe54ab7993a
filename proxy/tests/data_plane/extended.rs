//! WebSocket over HTTP/2 (RFC 8441).

use bytes::Bytes;
use h2::ext::Protocol;
use http::{HeaderMap, Method, Request, Response};
use shunt_proxy::websocket::handshake::accept;
use tokio::net::TcpStream;

use crate::backend::{Backend, Conn};
use crate::client::{header, within};
use crate::proxy::Proxy;

/// A stream that has asked for `protocol`.
struct Stream {
    answer: h2::client::ResponseFuture,
    up: h2::SendStream<Bytes>,
}

/// Asks on a connection of its own.
async fn ask(proxy: &Proxy, protocol: &'static str) -> Stream {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let (settled, settings) = tokio::sync::oneshot::channel();
    let sender = client.clone();
    tokio::spawn(async move {
        let mut settled = Some(settled);
        std::future::poll_fn(|cx| {
            let polled = std::pin::Pin::new(&mut connection).poll(cx);
            if sender.is_extended_connect_protocol_enabled()
                && let Some(settled) = settled.take()
            {
                let _ = settled.send(());
            }
            polled
        })
        .await
        .unwrap();
    });
    within("the proxy allows extended CONNECT", settings).await.unwrap();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://web/chat?room=1")
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .body(())
        .unwrap();
    let (answer, up) = client.send_request(request, false).unwrap();
    Stream { answer, up }
}

async fn head(conn: &mut Conn) -> (String, String) {
    let head = conn.raw_request().await;
    let find = |line: &str| {
        line.to_lowercase().strip_prefix("sec-websocket-key: ").map(|_| line[19..].to_owned())
    };
    let key = head.lines().find_map(find).expect("a key");
    (head.to_lowercase(), key)
}

fn switching(key: &str) -> String {
    let accept = accept(&key.parse().unwrap());
    let accept = accept.to_str().unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-protocol: chat\r\n\r\n"
    )
}

async fn answered(stream: &mut Stream) -> Response<h2::RecvStream> {
    within("an answer", &mut stream.answer).await.unwrap()
}

#[tokio::test]
async fn it_is_an_upgrade_at_the_target_and_a_stream_at_the_client() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut stream = ask(&proxy, "websocket").await;
    let mut conn = backend.accept().await;
    let (head, key) = head(&mut conn).await;
    assert!(head.starts_with("get /chat?room=1 http/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", "web"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("via", "2 shunt"),
    ] {
        assert_eq!(header(&head, name), Some(value), "{head}");
    }
    conn.write(switching(&key) + "early").await;
    let answer = answered(&mut stream).await;
    assert_eq!(answer.status(), 200);
    let has = |headers: &HeaderMap, name| headers.contains_key(name);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    for gone in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!has(answer.headers(), gone), "{gone}");
    }
    let mut down = answer.into_body();
    assert_eq!(within("early bytes", down.data()).await.unwrap().unwrap(), "early");
    stream.up.send_data("word".into(), false).unwrap();
    conn.expect("word").await;
    conn.write("answer").await;
    assert_eq!(within("an answer", down.data()).await.unwrap().unwrap(), "answer");

    // The tunnel is a lease on its release until it is over.
    let closed = proxy.flip(&proxy.release("second", &[backend.address()])).unwrap();
    assert_eq!(closed.all_leases(), 1);
    drop(conn);
    while let Some(Ok(_)) = within("the end", down.data()).await {}
    stream.up.send_data(Bytes::new(), true).unwrap();
    within("the lease ends", closed.drained()).await;
}

#[tokio::test]
async fn an_answer_that_is_no_switch_is_never_taken_for_one() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    for (answer, status) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 502),
        (switching("dGhlIHNhbXBsZSBub25jZQ==").as_str(), 502),
    ] {
        let mut stream = ask(&proxy, "websocket").await;
        let mut conn = backend.accept().await;
        head(&mut conn).await;
        conn.write(answer).await;
        assert_eq!(answered(&mut stream).await.status(), status, "{answer}");
    }
}

#[tokio::test]
async fn nothing_else_is_connected_to() {
    let backend = Backend::answering("web").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut stream = ask(&proxy, "connect-udp").await;
    assert_eq!(answered(&mut stream).await.status(), 501);
    assert_eq!(backend.answered(), 0);
}

#[tokio::test]
async fn a_drain_closes_it_with_1001() {
    let backend = Backend::bind().await;
    let limits = crate::proxy::short(|limits| limits.drain = crate::proxy::SHORT);
    let proxy = Proxy::with(limits, shunt_proxy::data::ClientLimits::default());
    proxy.flip(&proxy.release("first", &[backend.address()]));
    let mut stream = ask(&proxy, "websocket").await;
    let mut conn = backend.accept().await;
    let (_, key) = head(&mut conn).await;
    conn.write(switching(&key)).await;
    let mut down = answered(&mut stream).await.into_body();
    proxy.flip(&proxy.release("second", &[backend.address()]));
    let close = within("a close frame", down.data()).await.unwrap().unwrap();
    assert_eq!(close[..], *b"\x88\x0c\x03\xe9going away");
}
