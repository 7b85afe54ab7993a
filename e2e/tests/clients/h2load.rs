//! h2load: many streams on few connections.

use std::time::Duration;

use e2e::process::tool;

use crate::house::{HOST, House, short_or_long};

#[tokio::test]
async fn h2load_fails_no_stream_over_tls_while_releases_change() {
    let house = House::open().await;
    let port = house.tls.number();
    streams_survive_flips(&house, &format!("https://{HOST}:{port}/"), port).await;
}

#[tokio::test]
async fn h2load_fails_no_stream_in_the_clear_while_releases_change() {
    let house = House::open().await;
    let port = house.proxy.address().port();
    streams_survive_flips(&house, &format!("http://{HOST}:{port}/"), port).await;
}

async fn streams_survive_flips(house: &House, url: &str, port: u16) {
    let apps = house.serve_demo("").await;
    // It does not come back when a connection has had its 10,000 requests.
    let (requests, connections) = short_or_long(("10000", "8"), ("450000", "50"));
    let there = format!("127.0.0.1:{port}");
    let small = ["-n", requests, "-c", connections, "-m", "50", "--connect-to", &there];
    let counted = ["-H", "x-counted: 1", url];
    let all = [&small[..], &counted].concat();
    let (said, flips) = house.flips_until(Duration::from_millis(20), tool("h2load", &all)).await;
    let figures: Vec<_> = said.lines().filter(|line| line.starts_with("finished")).collect();
    println!("{flips} flips, {figures:?}");
    assert!(said.contains("Application protocol: h2"), "{said}");
    let wanted = format!(
        "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, \
         0 failed, 0 errored, 0 timeout\nstatus codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx"
    );
    assert!(said.contains(&wanted), "{said}");
    // Each request has gone to one release once, and both have had their share.
    let [one, two] = apps.map(|app| app.seen());
    assert_eq!((one + two).to_string(), requests);
    assert!(one > 0 && two > 0, "{one} {two} {flips}");
}
