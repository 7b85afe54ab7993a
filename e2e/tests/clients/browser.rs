//! Chromium: a page over HTTP/2 with a web socket and an event source.

use e2e::{Process, until};
use tokio::process::Command;

use crate::house::{HOST, House, release};
use crate::python::Server;

#[tokio::test]
async fn a_page_over_http2_finds_the_new_release_by_its_websocket_and_its_event_source() {
    let house = House::open().await;
    // Page and socket come from one app, events from another on the same host.
    let servers =
        [Server::start("ws_server.py", "1").await, Server::start("ws_server.py", "2").await];
    let mut demo = Vec::new();
    for (version, slot) in [("1", "blue"), ("2", "green")] {
        let app = demo::app::App::new(version).start(([127, 0, 0, 1], 0).into()).unwrap();
        house.store.put(&format!("apps/events/{slot}"), app.address().to_string()).await;
        demo.push(app);
    }
    let route = format!(r#"{{"hosts":["{HOST}"],"paths":["/events"],"strip_prefix":true}}"#);
    house.store.put("apps/events/app", route).await;
    house.store.put("apps/events/active", "blue").await;
    let [blue, green] = servers.each_ref().map(|server| release("http/1.1", server.address));
    house.serve(r#","timeouts":{"drain":"500ms"}"#, &blue, &green).await;

    let browser = chromium(&house);
    let reported = async |server: &Server, what: &[&str]| {
        until(&format!("the page reports {what:?}"), async || {
            let log = server.program.process.log();
            let last = log.lines().rfind(|line| line.starts_with("report "))?.to_owned();
            what.iter().all(|what| last.contains(what)).then_some(last)
        })
        .await
    };
    let first = ["page by h2", "socket release 1", "event release 1"];
    let said = reported(&servers[0], &first).await;
    assert!(!said.contains("release 2") && !said.contains("error"), "{said}");

    // The socket is told, and comes back to the new release, where the page says what it saw.
    house.flip("green").await;
    let told = reported(&servers[1], &["closed 1001", "socket release 2"]).await;
    assert!(!told.contains("event release 2") && !told.contains("event error"), "{told}");

    // The events are a long answer of the old release, which is stopped after its drain.
    house.store.put("apps/events/active", "green").await;
    until("new visitors get events of release 2", async || {
        let answer = e2e::ask::get(house.proxy.address(), HOST, "/events/").await.ok()?;
        (answer.release() == "2").then_some(())
    })
    .await;
    drop(demo.remove(0));
    let last = reported(&servers[1], &["event error", "event release 2"]).await;
    println!("{last}");
    browser.kill().await;

    until("the access log has the page, the sockets and the events", async || {
        let log = house.access_log();
        let ended = |path: &str| {
            log.iter()
                .filter(|line| {
                    let got = line["path"].as_str().unwrap_or_default();
                    got.starts_with(path)
                        && line["tls"] == "TLSv1.3"
                        && line["protocol"] == "HTTP/2.0"
                })
                .count()
        };
        (ended("/socket") == 2 && ended("/events/sse") == 2).then_some(())
    })
    .await;
}

/// Chromium on the house's front page.
fn chromium(house: &House) -> Process {
    let port = house.tls.number();
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--disable-breakpad"])
        .args(["--enable-logging=stderr", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", house.file("chromium").display()))
        .arg(format!("--host-resolver-rules=MAP {HOST}:{port} 127.0.0.1:{port}, MAP * ~NOTFOUND"))
        // It knows no way to be told of an authority.
        .arg("--ignore-certificate-errors")
        .arg(format!("https://{HOST}:{port}/"))
        .env("HOME", house.files())
        // Killed, it leaves what it has made there.
        .env("TMPDIR", house.files());
    Process::start("chromium", command, house.files())
}
