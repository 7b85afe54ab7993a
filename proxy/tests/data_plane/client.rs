//! A client that writes and reads raw bytes, and hides nothing.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What `work` gives, or a failed test that names what did not happen in time.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Where the head ends.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// One connection to the proxy.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer, its head in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header in a lower-case head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

impl Client {
    pub(crate) async fn connect(proxy: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(proxy).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within("the proxy reads", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Its own address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Reads until `text` has arrived.
    pub(crate) async fn expect(&mut self, text: &str) {
        while find(&self.read, text.as_bytes()).is_none() {
            assert!(self.more().await, "the proxy closed before {text:?}");
        }
    }

    /// Sends a GET for `path` of host `web`.
    pub(crate) async fn send_get(&mut self, path: &str) {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: web\r\n\r\n")).await;
    }

    /// Sends a GET and reads the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send_get(path).await;
        self.answer().await
    }

    /// Reads one answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let Answer { head, body } = self.raw_answer().await;
        Answer { head: head.to_lowercase(), body }
    }

    /// Reads one answer whose head stays as it came: hyper writes names in lower case.
    pub(crate) async fn raw_answer(&mut self) -> Answer {
        let head = self.raw_head().await;
        let length = match header(&head, "content-length") {
            Some(length) => length.parse().unwrap(),
            None => 0,
        };
        let body = if header(&head, "transfer-encoding").is_some() {
            self.chunked().await
        } else {
            self.take(length).await
        };
        Answer { head, body: String::from_utf8(body).unwrap() }
    }

    /// Reads one answer's head, in lower case.
    pub(crate) async fn head(&mut self) -> String {
        self.raw_head().await.to_lowercase()
    }

    async fn raw_head(&mut self) -> String {
        loop {
            if let Some(end) = head_end(&self.read) {
                let head: Vec<u8> = self.read.drain(..end).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "the proxy closed before its answer");
        }
    }

    /// Reads `length` bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "the proxy closed within a body");
        }
        self.read.drain(..length).collect()
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.read, b"\r\n") {
                    Some(end) => break end,
                    None => assert!(self.more().await, "the proxy closed within a chunk size"),
                }
            };
            let line = self.take(end + 2).await;
            let size =
                usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
            let chunk = self.take(size + 2).await;
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads to the end of the stream; what came after the last answer.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.read
    }

    async fn more(&mut self) -> bool {
        let read = within("bytes from the proxy", self.stream.read_buf(&mut self.read)).await;
        read.is_ok_and(|n| n > 0)
    }
}
