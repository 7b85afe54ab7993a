//! Clients that speak HTTP/2.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::backend::Backend;
use crate::client::within;
use crate::proxy::{Proxy, until};

pub(crate) type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(crate) async fn connect(proxy: &Proxy) -> SendRequest<Body> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn get(path: &str) -> Request<Body> {
    let uri = format!("http://web{path}");
    Request::builder().version(Version::HTTP_2).uri(uri).body(Full::default().boxed()).unwrap()
}

/// A body that comes as it is sent.
pub(crate) fn streaming() -> (Body, mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>) {
    let (upload, frames) = mpsc::unbounded_channel();
    (StreamBody::new(UnboundedReceiverStream::new(frames)).boxed(), upload)
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = within("a body", response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_reaches_its_target_as_http_1_1() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = connect(&proxy).await;
    let mut request = get("/x?y=1");
    request.headers_mut().append("cookie", HeaderValue::from_static("a=1"));
    request.headers_mut().append("cookie", HeaderValue::from_static("b=2"));
    let answer = tokio::spawn(client.send_request(request));
    let mut conn = backend.accept().await;
    let head = conn.request().await;
    assert!(head.starts_with("get /x?y=1 http/1.1\r\n"), "{head}");
    for line in ["host: web\r\n", "cookie: a=1; b=2\r\n", "via: 2 shunt\r\n"] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    conn.answer("hello").await;
    let answer = within("an answer", answer).await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!(text(answer).await, "hello");
}

#[tokio::test]
async fn streams_are_answered_side_by_side_each_by_one_release() {
    let (blue, green) = (Backend::bind().await, Backend::bind().await);
    let proxy = Proxy::serving(&[blue.address()]);
    let mut client = connect(&proxy).await;
    let first = tokio::spawn(client.send_request(get("/1")));
    let mut at_blue = blue.accept().await;
    at_blue.request().await;

    let closed = proxy.flip(&proxy.release("second", &[green.address()])).unwrap();
    let second = tokio::spawn(client.send_request(get("/2")));
    let mut at_green = green.accept().await;
    at_green.request().await;
    at_green.answer("green").await;
    assert_eq!(text(within("an answer", second).await.unwrap().unwrap()).await, "green");

    assert_eq!(closed.all_leases(), 1, "the first stream still runs");
    at_blue.answer("blue").await;
    assert_eq!(text(within("an answer", first).await.unwrap().unwrap()).await, "blue");
    within("the lease ends", closed.drained()).await;
}

#[tokio::test]
async fn a_stream_that_the_client_resets_is_cancelled_at_its_target() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = connect(&proxy).await;
    let answer = tokio::spawn(client.send_request(get("/")));
    let mut conn = backend.accept().await;
    conn.request().await;
    let closed = proxy.flip(&proxy.release("second", &[backend.address()])).unwrap();
    answer.abort();
    conn.closed().await;
    within("the lease ends", closed.drained()).await;
    // The connection goes on.
    let again = tokio::spawn(client.send_request(get("/")));
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("again").await;
    assert_eq!(text(within("an answer", again).await.unwrap().unwrap()).await, "again");
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = connect(&proxy).await;
    let (body, upload) = streaming();
    let mut request = get("/").map(|_| body);
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
    let answer = tokio::spawn(client.send_request(request));
    upload.send(Ok(Frame::data(Bytes::from_static(b"ping")))).unwrap();
    let mut conn = backend.accept().await;
    let head = conn.request().await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    conn.expect("4\r\nping\r\n").await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    upload.send(Ok(Frame::trailers(trailers))).unwrap();
    drop(upload);
    conn.expect("0\r\nx-sum: 7\r\n\r\n").await;
    conn.write(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
         4\r\npong\r\n0\r\nx-end: yes\r\n\r\n",
    )
    .await;
    let answer = within("an answer", answer).await.unwrap().unwrap();
    let body = within("a body", answer.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-end"], "yes");
    assert_eq!(body.to_bytes(), "pong");
}

#[tokio::test]
async fn a_client_that_sends_64_mib_before_it_reads_anything_is_not_waited_for() {
    const LENGTH: usize = 64 * 1024 * 1024;
    const ANSWER: usize = 4 * 1024 * 1024;
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    let mut client = connect(&proxy).await;
    let mut request = get("/").map(|_| Full::new(Bytes::from(vec![b'u'; LENGTH])).boxed());
    *request.method_mut() = http::Method::POST;
    let answer = tokio::spawn(client.send_request(request));
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER}\r\n\r\n")).await;
    conn.write(vec![b'x'; ANSWER / 16]).await;
    let answer = within("the answer begins", answer).await.unwrap().unwrap();
    within("the target gets all of it", conn.swallow(LENGTH)).await;
    let rest = tokio::spawn(async move { conn.write(vec![b'x'; ANSWER - ANSWER / 16]).await });
    assert_eq!(text(answer).await.len(), ANSWER);
    within("the target has written all", rest).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream_alone() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let mut client = connect(&proxy).await;
    let answer = tokio::spawn(client.send_request(get("/")));
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab").await;
    // A reset overtakes what is not written yet, the head included.
    let answer = within("an answer", answer).await.unwrap().unwrap();
    drop(conn);
    assert!(within("a body", answer.into_body().collect()).await.is_err());
    until("it is counted", || release.meters.totals().faults.iter().sum::<u64>() == 1).await;
    let again = tokio::spawn(client.send_request(get("/")));
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("again").await;
    assert_eq!(text(within("an answer", again).await.unwrap().unwrap()).await, "again");
}

#[tokio::test]
async fn a_host_that_differs_from_the_authority_is_refused() {
    let backend = Backend::answering("blue").await;
    let proxy = Proxy::serving(&[backend.address]);
    let mut client = connect(&proxy).await;
    let mut request = get("/");
    request.headers_mut().insert("host", HeaderValue::from_static("other"));
    let answer = within("an answer", client.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(backend.answered(), 0);
}
