//! What happens when there are more clients than file descriptors.

use e2e::process::{Process, program};
use e2e::{until, wait::PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::site::{HOST, Site};

/// A client that keeps its connection.
struct Kept(TcpStream);

impl Kept {
    async fn connect(site: &Site) -> Self {
        Self(TcpStream::connect(site.proxy.address()).await.unwrap())
    }

    async fn ask(&mut self) {
        let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Begins a request and leaves its last byte for later: such a client is at work.
    async fn begin(&mut self) {
        let request = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Says the last byte.
    async fn finish(&mut self) {
        self.0.write_all(b"x").await.unwrap();
    }

    /// Reads an answer, of whichever release was active when the proxy came to read the request.
    async fn is_answered(&mut self) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"one") && !answer.ends_with(b"two") {
            let read = timeout(PATIENCE, self.0.read_buf(&mut answer)).await;
            let so_far = String::from_utf8_lossy(&answer).into_owned();
            let read = read.unwrap_or_else(|_| panic!("no answer in time: {so_far:?}")).unwrap();
            assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// The site's proxy under a limit of `limit` descriptors.
async fn limited(site: &mut Site, limit: &str, logs: &std::path::Path) -> Process {
    site.proxy.stop().await;
    let mut command = Command::new("sh");
    let run = format!("ulimit {limit} && exec \"$0\" run --config \"$1\"");
    command.args(["-c", &run]).arg(program("shunt-proxy")).arg(site.proxy.file());
    let process = Process::start("lb1", command, logs);
    site.answers("one").await;
    process
}

async fn metric(site: &Site, name: &str) -> u64 {
    site.proxy.metric(name).await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn clients_without_number_wait_outside_and_take_no_descriptor_that_others_need() {
    let (mut site, logs) = (Site::start().await, tempfile::tempdir().unwrap());
    let process = limited(&mut site, "-n 96", logs.path()).await;
    let most = metric(&site, "shunt_client_connections_max").await;
    assert!((4..48).contains(&most), "{most}");
    assert_eq!(metric(&site, "shunt_accept_pauses_total").await, 0);
    // As many as there is room for, each with a request of its own behind it.
    let mut inside = Vec::new();
    for _ in 0..most {
        let mut client = Kept::connect(&site).await;
        client.ask().await;
        client.is_answered().await;
        client.begin().await;
        inside.push(client);
    }
    // Far more than there are descriptors. They are connected, as far as they know.
    let mut outside = Vec::new();
    for _ in 0..150 {
        let mut client = Kept::connect(&site).await;
        client.ask().await;
        outside.push(client);
    }
    until("accepting is paused", async || {
        (metric(&site, "shunt_accept_pauses_total").await > 0).then_some(())
    })
    .await;
    assert_eq!(process.log().matches("no more clients are accepted").count(), 1);
    assert_eq!(metric(&site, "shunt_accept_failures_total").await, 0);
    // Who is inside is served, and so are operators and the store.
    for client in &mut inside {
        client.finish().await;
        client.is_answered().await;
        client.begin().await;
    }
    site.put("apps/web/active", "green").await;
    until("the flip is on disk and told", async || {
        let status = site.proxy.status().await;
        (status["apps"]["web"]["serving"][0]["slot"] == "green").then_some(())
    })
    .await;
    site.put("apps/web/active", "blue").await;
    until("it is flipped back", async || {
        let status = site.proxy.status().await;
        (status["apps"]["web"]["serving"][0]["slot"] == "blue").then_some(())
    })
    .await;
    // Room that is left is room for those outside, as they come and go.
    drop(inside);
    let turn = |mut client: Kept| async move { client.is_answered().await };
    let turns: Vec<_> = outside.into_iter().map(|client| tokio::spawn(turn(client))).collect();
    for turn in turns {
        turn.await.unwrap();
    }
}

#[tokio::test]
async fn a_soft_limit_is_raised_as_far_as_the_hard_one_allows() {
    let (mut site, logs) = (Site::start().await, tempfile::tempdir().unwrap());
    let _process = limited(&mut site, "-Sn 40 && ulimit -Hn 500", logs.path()).await;
    let most = metric(&site, "shunt_client_connections_max").await;
    assert!((100..250).contains(&most), "{most}");
}
