//! An application that nobody here wrote: two published versions of httpbin, under gunicorn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use e2e::ask::{Answer, get, send};
use e2e::until;
use http::Request;
use http_body_util::Full;

use crate::shop::Shop;
use crate::site::HOST;

#[tokio::test]
async fn two_versions_of_httpbin_follow_each_other_and_every_answer_is_right() {
    let shop = Shop::open().await;
    let debian = shop.engine.import_debian().await;
    shop.engine.publish_httpbin(debian, "0.10.2").await;
    shop.engine.publish_httpbin(debian, "0.10.4").await;
    shop.write_file("httpbin", 8080, "/status/200", "");
    let _ = shop.run(&["deploy", "--tag", "0.10.2"]).await.ended_with(0);

    let visitors = Visitors::start(shop.proxies[0].address());
    visitors.rounds(5).await;
    let _ = shop.run(&["deploy", "--tag", "0.10.4"]).await.ended_with(0);
    visitors.rounds(5).await;
    let _ = shop.run(&["undo"]).await.ended_with(0);
    visitors.rounds(5).await;
    let (requests, wrong) = visitors.stop().await;
    println!("{requests} requests to httpbin");
    assert!(wrong.is_empty(), "{wrong:#?}");

    // Both versions have answered, and say so in their logs.
    for container in shop.engine.containers().await {
        let log = shop.engine.logs(&container.id).await;
        assert!(
            log.contains("GET /anything/during?a=1 HTTP/1.1\" 200"),
            "{}: {log}",
            container.image
        );
    }
}

/// Clients that go round all that is asked of httpbin here, until they are stopped.
struct Visitors {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

/// Clients at once.
const CLIENTS: u64 = 4;

impl Visitors {
    fn start(address: SocketAddr) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let mut wrong = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    wrong.extend(round(address).await);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                wrong
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, done, clients }
    }

    /// Waits for so many more rounds of every client.
    async fn rounds(&self, count: u64) {
        let wanted = self.done.load(Ordering::Relaxed) + count * CLIENTS;
        until("the visitors go on", async || {
            (self.done.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    async fn stop(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        for client in self.clients {
            wrong.extend(client.await.unwrap());
        }
        (self.done.load(Ordering::Relaxed) * ASKED, wrong)
    }
}

/// Requests in one round.
const ASKED: u64 = 10;

/// Asks for one thing after the other; what was wrong with the answers.
async fn round(address: SocketAddr) -> Vec<String> {
    let ask = async |path: &str| get(address, HOST, path).await;
    let long = "x".repeat(20_000);
    let checks = [
        right("anything", ask("/anything/during?a=1").await, |answer| {
            let said = answer.json();
            said["args"]["a"] == "1" && said["method"] == "GET"
        }),
        right("headers", ask("/headers").await, |answer| answer.json()["headers"]["Host"] == HOST),
        right("post", post(address, "/post", &long).await, |answer| {
            answer.json()["data"].as_str() == Some(&long)
        }),
        right("put", post(address, "/anything", "short").await, |answer| {
            answer.json()["data"] == "short"
        }),
        right("bytes", ask("/range/5000").await, |answer| answer.body.len() == 5000),
        right("stream", ask("/stream/20").await, |answer| answer.body.lines().count() == 20),
        right("drip", ask("/drip?duration=0.3&numbytes=30&delay=0").await, |answer| {
            answer.body.len() == 30
        }),
        right("html", ask("/html").await, |answer| answer.body.contains("Herman Melville")),
        coded("teapot", ask("/status/418").await, 418),
        coded("redirect", ask("/redirect-to?url=/html").await, 302),
    ];
    assert_eq!(checks.len() as u64, ASKED);
    checks.into_iter().filter_map(Result::err).collect()
}

async fn post(address: SocketAddr, path: &str, body: &str) -> Result<Answer, String> {
    let request = Request::post(path).header("host", HOST).header("content-type", "text/plain");
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    send(address, request.body(body).unwrap()).await
}

fn right(
    what: &str,
    answer: Result<Answer, String>,
    is_right: impl Fn(&Answer) -> bool,
) -> Result<(), String> {
    let answer = answer.map_err(|e| format!("{what}: {e}"))?;
    match answer.status == 200 && is_right(&answer) {
        true => Ok(()),
        false => Err(format!("{what}: {} {}", answer.status, answer.body)),
    }
}

fn coded(what: &str, answer: Result<Answer, String>, code: u16) -> Result<(), String> {
    let answer = answer.map_err(|e| format!("{what}: {e}"))?;
    match answer.status.as_u16() == code {
        true => Ok(()),
        false => Err(format!("{what}: {} {}", answer.status, answer.body)),
    }
}
