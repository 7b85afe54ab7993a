//! The target behind a peer: plays a case's answers, and records every byte it gets.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::case::{Play, ok};
use crate::message;
use crate::record::{self, Record, Shared, Side, wait};
use crate::request::{self, is_own};

/// A target that can be given one case after the other.
#[derive(Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    stage: Arc<Mutex<Option<Arc<Stage>>>>,
    accepting: JoinHandle<()>,
}

/// The case that is on.
#[derive(Debug)]
struct Stage {
    record: Shared,
    answers: Vec<Vec<Play>>,
    patience: Duration,
    next: AtomicUsize,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Target {
    /// A target with nothing to play; it closes what connects.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Arc::new(Mutex::new(None));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&stage)));
        Self { address, stage, accepting }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plays `answers`, one a request, and then plain ones; writes down what comes in `record`.
    pub(crate) fn play(&self, answers: Vec<Vec<Play>>, record: &Shared, patience: Duration) {
        let (record, next, connections) = (record.clone(), AtomicUsize::new(0), Mutex::default());
        let stage = Stage { record, answers, patience, next, connections };
        *self.stage.lock().unwrap() = Some(Arc::new(stage));
    }

    /// Closes all connections.
    pub(crate) async fn clear(&self) {
        let stage = self.stage.lock().unwrap().take();
        let Some(stage) = stage else { return };
        let connections = std::mem::take(&mut *stage.connections.lock().unwrap());
        for connection in connections {
            connection.abort();
            let _ = connection.await;
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, stage: Arc<Mutex<Option<Arc<Stage>>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Locked until the connection is among the stage's: one that came while the case ended would
        // outlive it, and play its answers to the next.
        let stage = stage.lock().unwrap();
        let Some(stage) = &*stage else { continue };
        let mut number = 0;
        stage.record.send_modify(|record| {
            number = record.target.len();
            record.target.push(Side::default());
        });
        let serving = tokio::spawn(serve(Arc::clone(stage), stream, number));
        stage.connections.lock().unwrap().push(serving);
    }
}

async fn serve(stage: Arc<Stage>, stream: TcpStream, number: usize) {
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let record = stage.record.clone();
    let mut connection = Connection { stage, writing, number, at: 0, end: None };
    let reading = record::read(reading, &record, |record: &mut Record| &mut record.target[number]);
    let mut reading = pin!(reading);
    let ended = tokio::select! {
        () = &mut reading => return,
        ended = connection.run() => ended,
    };
    match ended {
        // The peer closes it, or the case's end does.
        Ended::Quietly => reading.await,
        // Dropping the socket sends the reset, unless a FIN goes before it.
        Ended::Reset => connection.writing.forget(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Quietly,
    Reset,
}

struct Connection {
    stage: Arc<Stage>,
    writing: OwnedWriteHalf,
    /// Of the connection, in the record.
    number: usize,
    /// Where the request begins, and where it ends if that is known.
    at: usize,
    end: Option<usize>,
}

impl Connection {
    async fn run(&mut self) -> Ended {
        while self.next().await {
            let nth = self.stage.next.fetch_add(1, Ordering::Relaxed);
            let plain = || vec![Play::Whole, Play::Send(ok("", "default"))];
            for play in self.stage.answers.get(nth).cloned().unwrap_or_else(plain) {
                if matches!(play, Play::Reset) {
                    let _ = self.writing.as_ref().set_zero_linger();
                    return Ended::Reset;
                }
                if !self.play(play).await {
                    break;
                }
            }
            self.stage.record.send_modify(|record| record.played += 1);
            if !self.whole().await {
                break;
            }
            self.at = self.end.take().unwrap_or(self.at);
        }
        Ended::Quietly
    }

    /// Waits for the head of a request of the case, and answers the suite's own ones before it.
    async fn next(&mut self) -> bool {
        loop {
            let at = self.at;
            // There is no hurry: a kept connection may never have another request.
            let forever = Duration::from_hours(1);
            let here = |side: &Side| !matches!(message::head(&side.got[at..]), Ok(None));
            if !self.sees(forever, |side, _| here(side)).await {
                return false;
            }
            let (own, last) = {
                let record = self.stage.record.borrow();
                let rest = &record.target[self.number].got[at..];
                (is_own(rest), record::contains(rest, b"Connection: close"))
            };
            if !own {
                return true;
            }
            if !self.whole().await || !self.send(&ok("X-Own: yes\r\n", "own")).await {
                return false;
            }
            if last {
                let _ = self.writing.shutdown().await;
                return false;
            }
            self.at = self.end.take().unwrap_or(at);
        }
    }

    async fn play(&mut self, play: Play) -> bool {
        let patience = self.stage.patience;
        match play {
            Play::Whole => self.whole().await,
            Play::Sees(bytes) => {
                self.sees(patience, |side, _| record::contains(&side.got, &bytes)).await
            }
            Play::ClientSees(bytes) => {
                self.sees(patience, |_, record| record.client_saw(&bytes)).await
            }
            Play::Send(bytes) => {
                if bytes.starts_with(b"HTTP/1.1 101") {
                    self.whole().await;
                    let (number, end) = (self.number, self.end);
                    self.stage.record.send_modify(|record| record.target[number].tunnel = end);
                }
                self.send(&bytes).await
            }
            Play::Close | Play::Reset => self.writing.shutdown().await.is_ok(),
        }
    }

    /// Waits for the end of the request.
    async fn whole(&mut self) -> bool {
        let (at, mut end) = (self.at, self.end);
        if end.is_some() {
            return true;
        }
        let patience = self.stage.patience;
        self.sees(patience, |side, _| {
            end = match request::request(&side.got[at..]) {
                Ok(Some((request, len))) => request.complete.then_some(at + len),
                Ok(None) => None,
                // Nobody knows where it ends; the record says what is wrong with it.
                Err(_) => Some(side.got.len()),
            };
            end.is_some()
        })
        .await;
        self.end = end;
        end.is_some()
    }

    async fn sees(&self, patience: Duration, mut seen: impl FnMut(&Side, &Record) -> bool) -> bool {
        let mut found = false;
        wait(&self.stage.record, patience, |record| {
            let side = &record.target[self.number];
            found = seen(side, record);
            found || side.over.is_some()
        })
        .await;
        found
    }

    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.writing.write_all(bytes).await.is_ok()
    }
}
