//! A target that answers when it is told to.

use std::net::SocketAddr;
use std::sync::Arc;

use e2e::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// A target. `/up` answers what it is told to; `/hold` answers when it is let go; all else answers
/// at once with the name.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    up: watch::Sender<u16>,
    held: watch::Sender<usize>,
    go: Arc<Semaphore>,
    server: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (up, held, go) = (watch::Sender::new(200), watch::Sender::new(0), Semaphore::new(0));
        let go = Arc::new(go);
        let (status, holding, gate) = (up.subscribe(), held.clone(), Arc::clone(&go));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (status, holding, gate) = (status.clone(), holding.clone(), Arc::clone(&gate));
                tokio::spawn(serve(stream, name, status, holding, gate));
            }
        });
        Self { address, up, held, go, server }
    }

    /// What `/up` answers from now on.
    pub(crate) fn set_up(&self, status: u16) {
        self.up.send_replace(status);
    }

    /// Waits until `n` requests are held.
    pub(crate) async fn holds(&self, n: usize) {
        let held = || (*self.held.borrow() == n).then_some(());
        until(&format!("{n} requests are held"), async || held()).await;
    }

    /// Lets one held request go.
    pub(crate) fn let_go(&self) {
        self.go.add_permits(1);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    name: &str,
    up: watch::Receiver<u16>,
    held: watch::Sender<usize>,
    go: Arc<Semaphore>,
) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut request).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
        let status = if request.starts_with(b"GET /up ") { *up.borrow() } else { 200 };
        if request.starts_with(b"GET /hold ") {
            held.send_modify(|n| *n += 1);
            go.acquire().await.unwrap().forget();
            held.send_modify(|n| *n -= 1);
        }
        let length = name.len();
        let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n\r\n{name}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
