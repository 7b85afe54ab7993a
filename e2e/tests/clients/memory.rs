//! Large bodies, slow readers and slow targets: the proxy keeps little of them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use demo::pattern::{Digest, Pattern};
use e2e::process::tool;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::house::{HOST, House, release, short_or_long};
use crate::way::Way;

const MIB: usize = 1024 * 1024;

/// The most that the proxy may have had in memory at any moment, in MiB: what it has from the
/// beginning, and a piece of some 300 KiB for each of 200 transfers.
const MOST: u64 = 100;

/// What a slow target takes before it rests.
const SLOWLY: usize = 64 * 1024;

#[tokio::test]
async fn a_gibibyte_each_way_passes_and_is_not_kept() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let length = short_or_long(16 * MIB, 1024 * MIB);
    for way in Way::all(&house) {
        let path = format!("/bytes/{length}?seed=7");
        assert_eq!(download(way.start(&path, &[])).await, digest_of(length), "{way:?}");
        let upload = ["--request", "POST", "--upload-file", "-"];
        let mut curl = way.start("/digest", &upload);
        let mut pipe = curl.stdin.take().unwrap();
        let mut pattern = Pattern::new(7);
        for _ in 0..length / MIB {
            pipe.write_all(&pattern.take(MIB)).await.unwrap();
        }
        drop(pipe);
        let output = curl.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), digest_of(length), "{way:?}");
        report(&house, &format!("{} MiB each way by {}", length / MIB, way.url));
    }
}

#[tokio::test]
async fn answers_wait_at_the_target_for_slow_readers() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let length = short_or_long(2, 10) * MIB;
    let digest = digest_of(length);
    for way in Way::all(&house) {
        let mut readers = JoinSet::new();
        for _ in 0..short_or_long(20, 200) {
            let (way, digest) = (way.clone(), digest.clone());
            readers.spawn(async move {
                let path = format!("/bytes/{length}?seed=7");
                let got = download(way.start(&path, &["--limit-rate", "2M"])).await;
                assert_eq!(got, digest, "{way:?}");
            });
        }
        let count = all(readers).await;
        report(&house, &format!("{count} slow readers by {} {}", way.url, way.version));
    }
}

#[tokio::test]
async fn uploads_wait_at_the_client_for_a_slow_target() {
    let house = House::open().await;
    let length = short_or_long(2, 10) * MIB;
    let pattern = Pattern::new(7).take(length);
    let slot = release("http/1.1", slow_target(pattern.clone()));
    house.serve("", &slot, &slot).await;
    let sent = house.file("sent");
    std::fs::write(&sent, &pattern).unwrap();
    let sent = sent.display().to_string();
    let count = short_or_long(20, 200);
    for way in Way::all(&house).into_iter().filter(|way| way.version == "1.1") {
        let mut writers = JoinSet::new();
        for _ in 0..count {
            let (way, sent) = (way.clone(), sent.clone());
            writers.spawn(async move {
                let upload = ["--request", "POST", "--upload-file", &sent];
                assert_eq!(way.curl("/", &upload).await, "all of it", "{way:?}");
            });
        }
        all(writers).await;
        report(&house, &format!("{count} uploads to a slow target by {}", way.url));
    }
    // A curl that waits for a window of HTTP/2 takes a whole processor; h2load sleeps.
    for (scheme, port) in [("http", house.proxy.address().port()), ("https", house.tls.number())] {
        let (url, there) = (format!("{scheme}://{HOST}:{port}/"), format!("127.0.0.1:{port}"));
        let upload = ["-d", &sent, "-n", &count.to_string(), "-c", "20", "-m", "10"];
        let said = tool("h2load", &[&upload[..], &["--connect-to", &there, &url]].concat()).await;
        let wanted = format!("status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx");
        assert!(said.contains(&wanted) && said.contains(" 0 errored, 0 timeout"), "{said}");
        report(&house, &format!("{count} uploads to a slow target by HTTP/2 and {scheme}"));
    }
}

async fn all(mut tasks: JoinSet<()>) -> usize {
    let count = tasks.len();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    count
}

/// What the bytes that curl writes come to.
async fn download(mut curl: Child) -> String {
    let mut pipe = curl.stdout.take().unwrap();
    let (mut digest, mut piece) = (Digest::default(), vec![0; MIB / 4]);
    loop {
        match pipe.read(&mut piece).await.unwrap() {
            0 => break,
            length => digest.update(&piece[..length]),
        }
    }
    assert!(curl.wait().await.unwrap().success());
    digest.to_string()
}

/// What so many bytes of the pattern come to.
fn digest_of(length: usize) -> String {
    let (mut digest, mut pattern) = (Digest::default(), Pattern::new(7));
    for _ in 0..length / MIB {
        digest.update(&pattern.take(MIB));
    }
    digest.to_string()
}

/// Prints the most memory that the proxy has had so far; fails if it is too much.
fn report(house: &House, what: &str) {
    let status = format!("/proc/{}/status", house.proxy.running().id());
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{what}: {} MiB at most", peak / 1024);
    assert!(peak / 1024 < MOST, "{what}: {} MiB", peak / 1024);
}

/// A target that rests after every 64 KiB, and then tells whether it got `expected`. It has a thread
/// of its own, so that it is slow for no other reason.
fn slow_target(expected: Bytes) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take_slowly(stream, expected.clone()));
            }
        });
    });
    address.recv().unwrap()
}

async fn take_slowly(stream: TcpStream, expected: Bytes) {
    let service = service_fn(async |request: Request<Incoming>| {
        let mut body = request.into_body();
        let (mut at, mut right) = (0, true);
        while let Some(frame) = body.frame().await {
            if let Some(piece) = frame?.data_ref() {
                let rested = at / SLOWLY;
                right &= expected.get(at..at + piece.len()) == Some(piece);
                at += piece.len();
                if at / SLOWLY > rested {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        let mut answer = Response::new(Full::new(Bytes::from_static(b"all of it")));
        // Health checks have no body.
        if !right || (at != 0 && at != expected.len()) {
            *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        Ok::<_, hyper::Error>(answer)
    });
    // A client that breaks off is told so itself.
    let _ = http1::Builder::new()
        .max_buf_size(SLOWLY)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
