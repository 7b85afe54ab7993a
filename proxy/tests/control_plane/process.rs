//! How the process begins and ends.

use e2e::process::{Process, program};
use rustix::process::Signal;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::site::Site;

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_process_ends() {
    let mut site = Site::start().await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    site.proxy.signal(Signal::TERM);
    e2e::until("it is not ready any more", async || {
        let answer = site.proxy.ask("/readyz").await.ok()?;
        (answer.status == 503 && answer.body == "stopping\n").then_some(())
    })
    .await;
    // Still known to exist: it has a request on a release.
    assert_eq!(site.store.keys("fleet/").await, ["fleet/lb1"]);
    site.one.let_go();
    assert_eq!(held.await.unwrap().unwrap().body, "one");
    assert!(site.proxy.ended().await.success());
    assert_eq!(site.store.keys("fleet/").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let mut site = Site::start().await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    site.proxy.signal(Signal::INT);
    e2e::until("it is stopping", async || {
        site.proxy.log().contains("stopping: no new connections").then_some(())
    })
    .await;
    site.proxy.signal(Signal::INT);
    assert!(held.await.unwrap().is_err());
    assert!(!site.proxy.ended().await.success());
}

#[tokio::test]
async fn requests_that_outlast_the_grace_are_cut_and_counted() {
    let mut site = Site::with("grace = \"50ms\"\n", "").await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    let log = site.proxy.log();
    assert!(!log.contains("were cut"), "{log}");
    site.proxy.signal(Signal::TERM);
    assert!(held.await.unwrap().is_err());
    e2e::until("it says what it cut", async || {
        site.proxy.log().contains("1 connections were cut").then_some(())
    })
    .await;
    assert!(site.proxy.ended().await.success());
}

#[tokio::test]
async fn systemd_is_told_when_requests_are_served_and_when_it_stops() {
    let mut site = Site::start().await;
    site.proxy.stop().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = Command::new(program("shunt-proxy"));
    command.arg("run").arg("--config").arg(site.proxy.file()).env("NOTIFY_SOCKET", &path);
    let mut process = Process::start("lb1", command, directory.path());
    let told = async || {
        let mut buffer = [0; 256];
        let read = tokio::time::timeout(e2e::wait::PATIENCE, socket.recv(&mut buffer)).await;
        String::from_utf8_lossy(&buffer[..read.unwrap().unwrap()]).trim().to_owned()
    };
    assert_eq!(told().await, "READY=1");
    assert_eq!(site.get("/").await.unwrap().body, "one");
    process.signal(Signal::TERM);
    assert_eq!(told().await, "STOPPING=1");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn the_addresses_of_free_ports_are_said_on_stdout() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.toml");
    let path = directory.path().display();
    let text = format!(
        "name = \"lb1\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [state]\ndirectory = \"{path}/state\"\n[store]\ndirectory = \"{path}/store\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program("shunt-proxy"));
    command.arg("run").arg("--config").arg(&file);
    let mut process = Process::start("lb1", command, directory.path());
    for (line, path, status) in
        [("listening admin ", "/healthz", 200), ("listening http ", "/", 404)]
    {
        let address = process.said(line).await.parse().unwrap();
        let answer = e2e::ask::get(address, "www.example.com", path).await.unwrap();
        assert_eq!(answer.status.as_u16(), status);
    }
    assert!(process.stop().await.success());
}
