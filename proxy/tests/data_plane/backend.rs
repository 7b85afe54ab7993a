//! Targets: scripted ones, whose every byte a test decides, and ones that just answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{find, head_end, within};

/// A target that does what the test says.
#[derive(Debug)]
pub(crate) struct Backend {
    listener: TcpListener,
}

impl Backend {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection the proxy makes.
    pub(crate) async fn accept(&self) -> Conn {
        let (stream, _) = within("the proxy connects", self.listener.accept()).await.unwrap();
        Conn { stream, read: Vec::new() }
    }

    /// A target that answers every request on every connection with `name`.
    pub(crate) async fn answering(name: &'static str) -> Answering {
        let backend = Self::bind().await;
        let (address, answered) = (backend.address(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&answered);
        tokio::spawn(async move {
            loop {
                let (stream, _) = backend.listener.accept().await.unwrap();
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut conn = Conn { stream, read: Vec::new() };
                    while conn.try_request().await.is_some() {
                        count.fetch_add(1, SeqCst);
                        conn.answer(name).await;
                    }
                });
            }
        });
        Answering { address, answered }
    }
}

/// A target that answers by itself.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) address: SocketAddr,
    answered: Arc<AtomicUsize>,
}

impl Answering {
    /// Requests answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }
}

/// One connection from the proxy.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Conn {
    /// Reads one request head (lower case); what follows it stays unread.
    pub(crate) async fn request(&mut self) -> String {
        within("a request head", self.try_request()).await.expect("the proxy closed instead")
    }

    /// The same with its letters as they came.
    pub(crate) async fn raw_request(&mut self) -> String {
        within("a request head", self.try_raw()).await.expect("the proxy closed instead")
    }

    async fn try_request(&mut self) -> Option<String> {
        self.try_raw().await.map(|head| head.to_lowercase())
    }

    async fn try_raw(&mut self) -> Option<String> {
        loop {
            if let Some(end) = head_end(&self.read) {
                let head: Vec<u8> = self.read.drain(..end).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Reads until `text` has arrived.
    pub(crate) async fn expect(&mut self, text: &str) {
        let arrived = async {
            while find(&self.read, text.as_bytes()).is_none() {
                assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "closed early");
            }
        };
        within(text, arrived).await;
    }

    /// Reads `count` body bytes and forgets them.
    pub(crate) async fn swallow(&mut self, mut count: usize) {
        count -= self.read.len();
        self.read.clear();
        let mut buf = vec![0; 64 * 1024];
        while count > 0 {
            let n = within("body bytes", self.stream.read(&mut buf)).await.unwrap();
            assert_ne!(n, 0, "the proxy closed with {count} bytes to come");
            count -= n;
        }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Answers 200 with `body`.
    pub(crate) async fn answer(&mut self, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        // The proxy may be gone already; then the test does not care.
        let _ = self.stream.write_all((head + body).as_bytes()).await;
    }

    /// Writes until the proxy takes no more.
    pub(crate) async fn floods(mut self) {
        let block = vec![b'x'; 64 * 1024];
        within("the proxy closes", async { while self.stream.write_all(&block).await.is_ok() {} })
            .await;
    }

    /// Waits until the proxy has closed its side.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while within("the proxy closes", self.stream.read(&mut rest)).await.is_ok_and(|n| n > 0) {}
    }

    /// Closes with a reset instead of an end of stream.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}
