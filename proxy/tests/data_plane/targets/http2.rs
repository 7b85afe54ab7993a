//! Targets that speak HTTP/2, played by a server whose every frame a test decides.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use shunt_proxy::data::{ClientLimits, Room};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::client::within;
use crate::mirror::Stage;
use crate::proxy::{Proxy, SHORT, short, until};

/// A target that hands the test each request, and each connection's end.
struct Target {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
}

/// A request that waits for its answer.
struct Asked {
    /// The connection it came on, from 0.
    connection: usize,
    request: Request<RecvStream>,
    answer: SendResponse<Bytes>,
    /// Ends that connection politely.
    goodbye: mpsc::UnboundedSender<()>,
}

impl Target {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let served = h2::server::handshake(stream).await.unwrap();
                tokio::spawn(serve(connection, served, sender.clone()));
            }
        });
        Self { address, asked }
    }

    async fn next(&mut self) -> Asked {
        within("a request at the target", self.asked.recv()).await.unwrap()
    }

    /// A proxy in front of it, whose limits are those of most tests but for `change`.
    async fn behind(change: impl FnOnce(&mut shunt_config::timeouts::Limits)) -> (Self, Proxy) {
        let target = Self::start().await;
        let proxy = Proxy::with(short(change), shunt_proxy::data::ClientLimits::default());
        proxy.flip(&proxy.announce("first", &h2c(target.address)).await);
        (target, proxy)
    }
}

fn h2c(address: SocketAddr) -> String {
    format!(r#"{{"protocol":"h2c","targets":["{address}"]}}"#)
}

async fn serve(
    connection: usize,
    mut served: Connection<TcpStream, Bytes>,
    sender: mpsc::UnboundedSender<Asked>,
) {
    let (goodbye, mut leave) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            came = served.accept() => {
                let Some(Ok((request, answer))) = came else { return };
                let goodbye = goodbye.clone();
                let _ = sender.send(Asked { connection, request, answer, goodbye });
            }
            Some(()) = leave.recv() => served.graceful_shutdown(),
        }
    }
}

impl Asked {
    fn path(&self) -> &str {
        self.request.uri().path()
    }

    fn begin(&mut self) -> SendStream<Bytes> {
        self.answer.send_response(Response::new(()), false).unwrap()
    }

    fn answer(mut self, text: &'static str) {
        self.begin().send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
    }
}

#[tokio::test]
async fn a_request_reaches_it_as_one_of_http_2() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = proxy.client().await;
    client
        .write("GET /x?y=1 HTTP/1.1\r\nHost: www.example.com\r\nTE: trailers\r\nConnection: te, x-a\r\nX-A: 1\r\n\r\n")
        .await;
    let asked = target.next().await;
    let request = &asked.request;
    assert_eq!(request.uri(), "http://www.example.com/x?y=1");
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.headers()["via"], "1.1 shunt");
    assert_eq!(request.headers()["x-forwarded-host"], "www.example.com");
    for gone in ["host", "connection", "x-a", "transfer-encoding"] {
        assert!(!request.headers().contains_key(gone), "{gone}: {request:?}");
    }
    asked.answer("hello");
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn a_copy_speaks_what_its_own_target_does_whatever_the_request_is_sent_in() {
    let mut target = Target::start().await;
    let plain = Backend::bind().await;
    let value = plain.address().to_string();
    for (one, two) in [(value.clone(), h2c(target.address)), (h2c(target.address), value)] {
        let mut stage = Stage::on(Proxy::start(), &one).await;
        stage.copy(100, &stage.proxy.announce("two", &two).await);
        let mut client = stage.proxy.client().await;
        client.write("GET /x HTTP/1.1\r\nHost: web\r\nX-A: 1\r\n\r\n").await;
        let asked = target.next().await;
        assert_eq!(asked.request.uri().path(), "/x");
        assert_eq!(asked.request.headers()["x-a"], "1");
        assert_eq!(asked.request.uri().authority().unwrap(), "web");
        let mut conn = plain.accept().await;
        let head = conn.request().await;
        assert!(head.contains("\r\nhost: web\r\n") && head.contains("\r\nx-a: 1\r\n"), "{head}");
        let copy = two.contains("h2c");
        assert_eq!(asked.request.headers().contains_key("x-shunt-mirror"), copy);
        assert_eq!(head.contains("x-shunt-mirror"), !copy);
        asked.answer("hello");
        conn.answer("hello").await;
        assert_eq!(client.answer().await.body, "hello");
        until("both are counted", || stage.counts().copies.requests == 1).await;
        assert_eq!(stage.counts().differ, 0);
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_makes_room_for_one_to_another_target() {
    let mut targets = [Target::start().await, Target::start().await];
    let room = Room::of(usize::MAX).for_targets(1);
    let proxy = Proxy::with_room(short(|_| {}), ClientLimits::default(), 1, room);
    let [one, two] = targets.each_ref().map(|target| target.address);
    let both = format!(r#"{{"protocol":"h2c","targets":["{one}","{two}"]}}"#);
    proxy.flip(&proxy.announce("first", &both).await);
    let mut client = proxy.client().await;
    // In turn.
    for (target, connection) in [(0, 0), (1, 0), (0, 1)] {
        client.send_get("/").await;
        let asked = targets[target].next().await;
        assert_eq!(asked.connection, connection);
        asked.answer("ok");
        assert_eq!(client.answer().await.body, "ok");
    }
    assert_eq!(proxy.plane.meters().refused_room(), 0);
    until("those let go are closed", || proxy.plane.room().targets() == 1).await;
}

#[tokio::test]
async fn requests_side_by_side_share_a_connection() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let client = crate::http2::connect(&proxy).await;
    let ask = |path: &'static str| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send_request(crate::http2::get(path)).await })
    };
    let (one, two) = (ask("/1"), ask("/2"));
    let (first, second) = (target.next().await, target.next().await);
    assert_eq!((first.connection, second.connection), (0, 0));
    // In the other order: neither waits for the other.
    let paths = (first.path().to_owned(), second.path().to_owned());
    second.answer("second");
    first.answer("first");
    for answer in [one, two] {
        assert_eq!(within("an answer", answer).await.unwrap().unwrap().status(), 200);
    }
    assert!(
        paths == ("/1".into(), "/2".into()) || paths == ("/2".into(), "/1".into()),
        "{paths:?}"
    );
}

#[tokio::test]
async fn no_connection_carries_more_requests_than_servers_are_sure_to_take() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    // So many that two threads cannot do with one connection each.
    let mut carried = [0; 8];
    let mut asked = Vec::new();
    for _ in 0..3 {
        let client = crate::http2::connect(&proxy).await;
        for _ in 0..80 {
            let mut client = client.clone();
            tokio::spawn(async move { client.send_request(crate::http2::get("/")).await });
            asked.push(target.next().await);
        }
    }
    for asked in &asked {
        carried[asked.connection] += 1;
    }
    assert!(carried.iter().all(|n| *n <= 100), "{carried:?}");
    assert!(carried.iter().filter(|n| **n > 0).count() >= 3, "{carried:?}");
}

#[tokio::test]
async fn a_refused_stream_is_tried_once_more_if_it_has_no_body() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = proxy.client().await;
    client.write("POST /bodyless HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    target.next().await.answer.send_reset(Reason::REFUSED_STREAM);
    target.next().await.answer("second try");
    assert_eq!(client.answer().await.body, "second try");

    client.write("GET /twice HTTP/1.1\r\nHost: a\r\n\r\n").await;
    target.next().await.answer.send_reset(Reason::REFUSED_STREAM);
    target.next().await.answer.send_reset(Reason::REFUSED_STREAM);
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_refused_stream_is_tried_once_more_after_a_target_that_could_not_be_reached() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (mut one, mut other) = (Target::start().await, Target::start().await);
    let proxy = Proxy::with(short(|_| {}), ClientLimits::default());
    let targets = [dead, one.address, other.address].map(|address| format!("\"{address}\""));
    let slot = format!(r#"{{"protocol":"h2c","targets":[{}]}}"#, targets.join(","));
    proxy.flip(&proxy.announce("first", &slot).await);
    let mut next = async || tokio::select! { at = one.next() => at, at = other.next() => at };
    // Whichever of them is the first one's turn.
    for _ in 0..6 {
        let mut client = proxy.client().await;
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        next().await.answer.send_reset(Reason::REFUSED_STREAM);
        next().await.answer("from another");
        assert_eq!(client.answer().await.body, "from another");
    }
}

#[tokio::test]
async fn a_request_that_the_target_may_have_acted_on_is_not_sent_again() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let mut client = proxy.client().await;
        client.write(head).await;
        target.next().await.answer.send_reset(Reason::INTERNAL_ERROR);
        assert_eq!(client.answer().await.status(), 502, "{head}");
    }
    let mut client = proxy.client().await;
    client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let next = target.next().await;
    assert_eq!(next.path(), "/next", "nothing was sent twice");
    next.answer("ok");
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_target_that_goes_away_politely_loses_nothing() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = proxy.client().await;
    client.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let running = target.next().await;
    assert_eq!(running.connection, 0);
    running.goodbye.send(()).unwrap();
    running.answer("to its end");
    assert_eq!(client.answer().await.body, "to its end");
    for n in 2..10 {
        client.write(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let asked = target.next().await;
        assert_eq!(asked.path(), format!("/{n}"));
        asked.answer("again");
        assert_eq!(client.answer().await.body, "again");
    }
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let client = crate::http2::connect(&proxy).await;
    let (body, upload) = crate::http2::streaming();
    let mut request = crate::http2::get("/call");
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    *request.body_mut() = body;
    let mut asking = client.clone();
    let answer = tokio::spawn(async move { asking.send_request(request).await });
    let mut asked = target.next().await;
    let mut down = asked.begin();
    let mut answer = within("a head before the request is over", answer).await.unwrap().unwrap();

    // Each side's word reaches the other while both messages run.
    for word in ["one", "two"] {
        upload.send(Ok(Frame::data(word.into()))).unwrap();
        let got = within("data at the target", asked.request.body_mut().data()).await;
        assert_eq!(got.unwrap().unwrap(), word);
        down.send_data(word.into(), false).unwrap();
        let frame = within("data at the client", answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    let trailers = |name: &'static str, value| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    upload.send(Ok(Frame::trailers(trailers("x-asked", "1")))).unwrap();
    drop(upload);
    while let Some(data) = asked.request.body_mut().data().await {
        assert!(data.unwrap().is_empty());
    }
    let got = within("trailers", asked.request.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(got["x-asked"], "1");
    down.send_trailers(trailers("grpc-status", "0")).unwrap();
    let frame = within("trailers at the client", answer.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut slow = proxy.client().await;
    slow.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut asked = target.next().await;
    let mut down = asked.begin();
    // As much as the target may send while nobody takes any of it, and more than that.
    down.reserve_capacity(64 << 20);
    let flood = tokio::spawn(async move {
        loop {
            let room = std::future::poll_fn(|cx| down.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            if room > 0 {
                down.send_data(vec![0; room].into(), false).unwrap();
                down.reserve_capacity(64 << 20);
            }
        }
    });
    // On every thread, so on the same one too.
    for _ in 0..8 {
        let mut client = proxy.client().await;
        client.write("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await;
        target.next().await.answer("other");
        assert_eq!(client.answer().await.body, "other");
    }
    assert!(!flood.is_finished());
    flood.abort();
}

#[tokio::test]
async fn a_client_that_sends_64_mib_before_it_reads_anything_is_not_waited_for() {
    const LENGTH: usize = 64 * 1024 * 1024;
    const ANSWER: usize = 4 * 1024 * 1024;
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = crate::http2::connect(&proxy).await;
    let upload = http_body_util::Full::new(Bytes::from(vec![b'u'; LENGTH])).boxed();
    let mut request = crate::http2::get("/").map(|_| upload);
    *request.method_mut() = http::Method::POST;
    let answer = tokio::spawn(client.send_request(request));
    let Asked { request, answer: mut respond, .. } = target.next().await;
    let mut download = respond.send_response(Response::new(()), false).unwrap();
    download.send_data(Bytes::from(vec![b'x'; ANSWER / 16]), false).unwrap();
    let answer = within("the answer begins", answer).await.unwrap().unwrap();
    let (mut body, mut got) = (request.into_body(), 0);
    while let Some(piece) = within("more of the upload", body.data()).await {
        let length = piece.unwrap().len();
        got += length;
        body.flow_control().release_capacity(length).unwrap();
    }
    assert_eq!(got, LENGTH);
    download.send_data(Bytes::from(vec![b'x'; ANSWER - ANSWER / 16]), true).unwrap();
    assert_eq!(crate::http2::text(answer).await.len(), ANSWER);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_stream() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = proxy.client().await;
    client.write("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut asked = target.next().await;
    drop(client);
    let reset = std::future::poll_fn(|cx| asked.answer.poll_reset(cx));
    assert_eq!(within("a reset", reset).await.unwrap(), Reason::CANCEL);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off() {
    let (mut target, proxy) = Target::behind(|_| {}).await;
    let mut client = proxy.client().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut down = target.next().await.begin();
    down.send_data("half".into(), false).unwrap();
    client.expect("half").await;
    down.send_reset(Reason::INTERNAL_ERROR);
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "made to look complete: {rest:?}");
}

#[tokio::test]
async fn a_connection_on_which_an_answer_was_late_takes_no_more_requests() {
    let (mut target, proxy) = Target::behind(|limits| limits.response = SHORT).await;
    let mut client = proxy.client().await;
    client.write("GET /late HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let late = target.next().await;
    assert_eq!(client.answer().await.status(), StatusCode::GATEWAY_TIMEOUT.as_u16());
    let mut client = proxy.client().await;
    client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let next = target.next().await;
    assert_ne!((late.connection, next.path()), (next.connection, "/late"));
    next.answer("ok");
    assert_eq!(client.answer().await.status(), 200);
}
