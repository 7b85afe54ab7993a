//! A stateful app: sessions in the memory of its containers, a WebSocket per visitor, and deploys.

use std::net::SocketAddr;

use e2e::{Store, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::Shop;
use crate::site::{HOST, soak};

const SESSIONS: &str = "sessions = { idle = \"1h\", deadline = \"8h\" }";

/// A browser with a session on some release, and its WebSocket.
struct Visitor {
    cookies: Vec<(String, String)>,
    release: String,
    visits: u64,
    socket: TcpStream,
}

/// An answer's head and, if it says how long that is, its body.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

async fn read(stream: &mut TcpStream) -> Answer {
    let mut got = Vec::new();
    let end = loop {
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0, "broke off");
    };
    let mut body = got.split_off(end);
    let mut answer = Answer { head: String::from_utf8(got).unwrap(), body: String::new() };
    let length = answer.values("content-length").next().map_or(0, |text| text.parse().unwrap());
    while body.len() < length {
        assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "broke off");
    }
    answer.body = String::from_utf8(body).unwrap();
    answer
}

impl Visitor {
    /// One who comes for the first time.
    async fn arrives(proxy: SocketAddr) -> Self {
        let socket = TcpStream::connect(proxy).await.unwrap();
        let mut visitor = Self { cookies: Vec::new(), release: String::new(), visits: 1, socket };
        let page = visitor.ask(proxy, "/session").await;
        assert!(page.body.ends_with("visit 1\n"), "{}{}", page.head, page.body);
        visitor.release = page.values("x-release").next().unwrap().to_owned();
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let request = visitor.request("/socket", upgrade);
        visitor.socket.write_all(request.as_bytes()).await.unwrap();
        let switched = read(&mut visitor.socket).await;
        assert!(switched.head.starts_with("HTTP/1.1 101"), "{}", switched.head);
        visitor.keep_cookies(&switched);
        visitor.visits += 1;
        visitor
    }

    fn request(&self, path: &str, lines: &str) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(n, value)| format!("{n}={value}")).collect();
        let cookie = match pairs.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", pairs.join("; ")),
        };
        format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{cookie}{lines}\r\n")
    }

    async fn ask(&mut self, proxy: SocketAddr, path: &str) -> Answer {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let request = self.request(path, "Connection: close\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read(&mut stream).await;
        self.keep_cookies(&answer);
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        let set: Vec<_> = answer.values("set-cookie").map(str::to_owned).collect();
        for line in set {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Fails unless the page and the WebSocket go on where they were.
    async fn is_at_home(&mut self, proxy: SocketAddr) {
        let page = self.ask(proxy, "/session").await;
        self.visits += 1;
        let said = format!("visit {}\n", self.visits);
        assert!(page.body.ends_with(&said), "{said}: {}{}", page.head, page.body);
        assert_eq!(page.values("x-release").next(), Some(self.release.as_str()));
        // A text of two letters, masked with zeros.
        self.socket.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
        let expected = format!("release {}: hi", self.release);
        let mut frame = vec![0; expected.len() + 2];
        self.socket.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame[2..], expected.as_bytes());
    }

    /// Fails unless the session is lost to `release`, and the WebSocket told to come back.
    async fn has_to_go_to(&mut self, proxy: SocketAddr, release: &str) {
        let page = self.ask(proxy, "/session").await;
        assert!(page.head.starts_with("HTTP/1.1 401"), "{}{}", page.head, page.body);
        assert_eq!(page.values("x-release").next(), Some(release));
        let mut frame = [0; 4];
        self.socket.read_exact(&mut frame).await.unwrap();
        assert_eq!((frame[0], &frame[2..]), (0x88, &1001_u16.to_be_bytes()[..]));
    }
}

async fn arrive(shop: &Shop, count: usize, visitors: &mut Vec<Visitor>) {
    for _ in 0..count {
        visitors.push(Visitor::arrives(shop.proxies[0].address()).await);
    }
}

async fn are_at_home(shop: &Shop, visitors: &mut [Visitor]) {
    for visitor in visitors {
        visitor.is_at_home(shop.proxies[0].address()).await;
    }
}

#[tokio::test]
async fn no_visitor_loses_a_session_to_three_deploys_before_its_deadline_and_all_move_after_it() {
    let count = if soak() { 1000 } else { 200 };
    let shop = Shop::with(Store::etcd().await, &["lb1"], "[timeouts]\ndrain = \"1s\"\n").await;
    let text = std::fs::read_to_string(shop.file()).unwrap();
    std::fs::write(shop.file(), text.replace("[run]\n", &format!("{SESSIONS}\n[run]\n"))).unwrap();
    shop.deploy("1").await;
    let mut visitors = Vec::new();
    arrive(&shop, count, &mut visitors).await;
    for version in ["2", "3", "4"] {
        let run = shop.deploy(version).await;
        println!("{run}");
        assert!(run.text().contains("visitors stay"), "{run}");
        are_at_home(&shop, &mut visitors).await;
        arrive(&shop, 10, &mut visitors).await;
        assert!(visitors[visitors.len() - 10..].iter().all(|one| one.release == version));
    }
    shop.only(&["1", "2", "3", "4"]).await;
    until("all are counted", async || {
        let status = shop.run(&["status"]).await.ended_with(0).output;
        let said = |count: usize| status.contains(&format!("{count} visitors stay"));
        (said(count) && status.matches(": 10 visitors stay").count() == 1).then_some(())
    })
    .await;
    let retire = shop.run(&["retire"]).await.ended_with(5);
    assert!(retire.text().contains("visitors stay"), "{retire}");
    are_at_home(&shop, &mut visitors).await;

    // The deadline of all releases before the last passes.
    for key in shop.store.keys("apps/web/draining/").await {
        let entry = shop.store.get(&key).await.unwrap();
        let mut entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
        assert!(entry["sessions"].is_string(), "{entry}");
        entry["sessions"] = json!("2020-01-01T00:00:00Z");
        shop.store.put(&key, entry.to_string()).await;
    }
    until("their time is over", async || {
        let status = shop.run(&["status"]).await.ended_with(0).output;
        (!status.contains("stay, for")).then_some(())
    })
    .await;
    let proxy = shop.proxies[0].address();
    for visitor in &mut visitors {
        match visitor.release.as_str() {
            "4" => visitor.is_at_home(proxy).await,
            _ => visitor.has_to_go_to(proxy, "4").await,
        }
    }
    let _ = shop.run(&["retire"]).await.ended_with(0);
    shop.only(&["4"]).await;
    assert!(shop.store.keys("apps/web/draining/").await.is_empty());
}
