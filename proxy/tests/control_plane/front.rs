//! What is counted and shown of clients and of what they come in by.

use std::fs;
use std::net::SocketAddr;

use e2e::{Proxy, Store, until};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::site::{HOST, Site};

/// A proxy whose file is changed before it runs.
async fn proxy(settings: &str, change: impl Fn(String) -> String) -> (Proxy, Store) {
    let store = Store::directory();
    let mut proxy = Proxy::configured("lb1", settings, &store.section());
    let text = change(fs::read_to_string(proxy.file()).unwrap());
    fs::write(proxy.file(), text).unwrap();
    proxy.run();
    proxy.ready().await;
    (proxy, store)
}

/// Connects from `source`, sends `bytes`, ends its side and reads to the end.
async fn send(proxy: SocketAddr, source: &str, bytes: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let mut stream: TcpStream = socket.connect(proxy).await.unwrap();
    // It may be closed already.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn connections_closed_for_want_of_a_proxy_header_are_counted_by_reason() {
    let (proxy, _store) = proxy("trust = { proxy_protocol = [\"127.0.0.2\"] }\n", |text| {
        text.replace("[[listen]]\n", "[[listen]]\nproxy_protocol = true\nhalf_close = true\n")
    })
    .await;
    let good = "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(send(proxy.address(), "127.0.0.1", good).await, "");
    assert!(send(proxy.address(), "127.0.0.2", good).await.starts_with("HTTP/1.1 404"));
    for bad in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 x\r\n", "PROXY TC", ""] {
        assert_eq!(send(proxy.address(), "127.0.0.2", bad).await, "", "{bad}");
    }
    for (reason, count) in [("untrusted", 1), ("malformed", 2), ("incomplete", 1), ("timeout", 0)] {
        let series = format!("shunt_proxy_protocol_refused_total{{reason=\"{reason}\"}}");
        until(&format!("{count} {reason}"), async || {
            (proxy.metric(&series).await? == count.to_string()).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn certificates_are_shown_with_their_names_and_their_end() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("certs");
    fs::create_dir(&certificates).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    fs::write(certificates.join("www.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(certificates.join("www.key"), key.serialize_pem()).unwrap();
    fs::write(certificates.join("bad.crt"), "no certificate").unwrap();
    fs::write(certificates.join("bad.key"), "no key").unwrap();
    let settings = format!("tls = {{ certificates = '{}' }}\n", certificates.display());
    let (proxy, _store) =
        proxy(&settings, |text| text.replace("[[listen]]\n", "[[listen]]\ntls = true\n")).await;
    let status = proxy.status().await;
    let shown = status["certificates"].as_array().unwrap();
    let of = |name: &str| shown.iter().find(|one| one["name"] == json!(name)).unwrap();
    assert_eq!(of("www")["names"], json!(["www.example.com"]));
    assert_eq!(of("www")["not_after"], json!("2031-02-03T00:00:00Z"));
    assert_eq!(of("www").get("error"), None);
    assert!(of("bad")["error"].is_string() && of("bad").get("not_after").is_none(), "{status}");

    let without = Site::start().await;
    assert_eq!(without.proxy.status().await.get("certificates"), None);
    assert_eq!(
        without.proxy.metric("shunt_access_log_lines_total{result=\"written\"}").await,
        None
    );
}

#[tokio::test]
async fn whoever_an_app_does_not_let_further_is_logged_with_that_app() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("access.log");
    let settings = format!("access_log = {{ path = '{}' }}\n", log.display());
    let site = Site::with(&settings, r#","limits":{"body":"1KiB"}"#).await;
    site.put("apps/shut/app", r#"{"hosts":["shut.test"],"deny":["127.0.0.0/8"]}"#).await;
    site.put("apps/empty/app", r#"{"hosts":["empty.test"]}"#).await;
    let answer = async |host: &str, length: usize| {
        let head = format!("POST /{host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        let request = format!("{head}Content-Length: {length}\r\n\r\n");
        let mut stream = TcpStream::connect(site.proxy.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    until("the last app is there", async || (answer("empty.test", 0).await == "503").then_some(()))
        .await;
    assert_eq!(answer("shut.test", 0).await, "403");
    assert_eq!(answer(HOST, 2000).await, "413");
    assert_eq!(answer("none.test", 0).await, "404");
    let app = |host: &str, status: u16| -> Option<String> {
        let text = fs::read_to_string(&log).ok()?;
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let path = format!("/{host}");
        let line = lines.find(|line| line["path"] == *path && line["status"] == status)?;
        assert_eq!((line.get("slot"), line.get("target")), (None, None), "{line}");
        Some(line.get("app").map_or("", |app| app.as_str().unwrap()).to_owned())
    };
    let lines = [(HOST, 413, "web"), ("shut.test", 403, "shut"), ("empty.test", 503, "empty")];
    for (host, status, name) in lines.into_iter().chain([("none.test", 404, "")]) {
        let found = until(host, async || app(host, status)).await;
        assert_eq!(found, name, "{host}");
    }
}

#[tokio::test]
async fn who_found_no_room_is_logged_with_its_app_and_the_lines_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("access.log");
    let settings = format!("access_log = {{ path = '{}' }}\n", log.display());
    let app = r#","max_requests":1,"queue":{"length":0}"#;
    let site = Site::with(&settings, app).await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    assert_eq!(site.get("/busy").await.unwrap().status, 503);
    site.one.let_go();
    assert_eq!(held.await.unwrap().unwrap().status, 200);
    let line = |path: &str| -> Option<Value> {
        let text = fs::read_to_string(&log).ok()?;
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.find(|line| line["path"] == json!(path))
    };
    let (busy, served) =
        until("both lines are there", async || Some((line("/busy")?, line("/hold")?))).await;
    assert_eq!((&busy["status"], &busy["app"]), (&json!(503), &json!("web")));
    assert_eq!((busy.get("slot"), busy.get("target")), (None, None), "{busy}");
    assert_eq!((&served["app"], &served["slot"]), (&json!("web"), &json!("blue")));
    let lines = fs::read_to_string(&log).unwrap().lines().count();
    let written = "shunt_access_log_lines_total{result=\"written\"}";
    assert_eq!(site.proxy.metric(written).await, Some(lines.to_string()));
    let dropped = "shunt_access_log_lines_total{result=\"dropped\"}";
    assert_eq!(site.proxy.metric(dropped).await.as_deref(), Some("0"));
}
