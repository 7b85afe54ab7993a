//! A target that answers when the test lets it, and treats its connections as the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::client::head_end;

/// What a [`Gated`] target does with a request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Manner {
    /// Answers 200 with its name.
    Answers,
    /// Answers 500.
    Fails,
    /// Closes the connection instead.
    Closes,
}

/// A target that answers when the test lets it.
#[derive(Clone, Debug)]
pub(crate) struct Gated {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    gate: Semaphore,
    manner: AtomicU8,
    /// Paths of the requests that came, in their order.
    came: Mutex<Vec<String>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gated {
    /// A target that holds every request until it is let through.
    pub(crate) async fn shut(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            name,
            gate: Semaphore::new(0),
            manner: AtomicU8::new(Manner::Answers as u8),
            came: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// A target that holds nothing.
    pub(crate) async fn open(name: &'static str) -> Self {
        let target = Self::shut(name).await;
        target.let_through(Semaphore::MAX_PERMITS);
        target
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.state.name
    }

    /// Lets `count` requests through, now or when they come.
    pub(crate) fn let_through(&self, count: usize) {
        self.state.gate.add_permits(count);
    }

    /// Treats requests like that from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        self.state.manner.store(manner as u8, SeqCst);
    }

    /// Paths of the requests that came, in their order.
    pub(crate) fn came(&self) -> Vec<String> {
        self.state.came.lock().unwrap().clone()
    }

    /// How many came.
    pub(crate) fn count(&self) -> usize {
        self.state.came.lock().unwrap().len()
    }

    /// How many there were at a time, at most.
    pub(crate) fn most(&self) -> usize {
        self.state.most.load(SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut read = Vec::new();
    loop {
        while head_end(&read).is_none() {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let end = head_end(&read).unwrap();
        let head = String::from_utf8(read.drain(..end).collect()).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        state.came.lock().unwrap().push(path);
        state.most.fetch_max(state.now.fetch_add(1, SeqCst) + 1, SeqCst);
        state.gate.acquire().await.unwrap().forget();
        let manner = state.manner.load(SeqCst);
        let status = if manner == Manner::Fails as u8 { "500 Oh" } else { "200 OK" };
        let (name, length) = (state.name, state.name.len());
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{name}");
        // Before the answer: whoever has read it may count on it.
        state.now.fetch_sub(1, SeqCst);
        if manner == Manner::Closes as u8 || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
