//! Runs one case on a peer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use crate::case::{Case, Step};
use crate::h2;
use crate::outcome::Outcome;
use crate::peer::{Memory, Running};
use crate::record::{self, Record, Shared, wait};

/// Why a case fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong, in sentences.
    pub faults: Vec<String>,
    /// What the client sent.
    pub sent: Vec<u8>,
    /// What the client got.
    pub got: Vec<u8>,
    /// What the target got, by connection.
    pub target: Vec<Vec<u8>>,
    /// Whether the peer answers no more.
    pub(crate) dead: bool,
}

/// KiB that a peer may take for a case that wants it to take much.
const MEMORY: u64 = 32 << 10;

/// Runs `case` on `peer`. Nothing is waited for longer than `patience`.
pub(crate) async fn run(case: &Case, peer: &Running, patience: Duration) -> Result<(), Failure> {
    let record = Shared::new(Record::default());
    let target = &peer.target;
    target.play(case.target.clone(), &record, patience);
    let memory = peer.process().filter(|_| case.bounded).and_then(Memory::watch);
    let address = if case.http2 { peer.http2 } else { peer.http1 };
    let (mut faults, sent) = exchange(case, address, &record, patience).await;
    // The peer has survived it, and this was the last that the target could hear of it.
    let alive = answers(peer.http1, patience).await;
    target.clear().await;
    if let Some(grown) = memory.and_then(|memory| memory.grown())
        && grown > MEMORY
    {
        faults.push(format!("the peer took {grown} KiB more for it"));
    }
    let mut outcome = Outcome::read(case, &record.borrow());
    outcome.faults.extend(faults);
    if let Err(error) = &alive {
        outcome.faults.push(format!("the peer answers no more: {error}"));
    }
    let faults = case.faults(&outcome);
    if faults.is_empty() {
        return Ok(());
    }
    let target = outcome.record.target.into_iter().map(|side| side.got).collect();
    Err(Failure { faults, sent, got: outcome.record.client.got, target, dead: alive.is_err() })
}

/// Asks once, on a connection of its own.
pub(crate) async fn answers(address: SocketAddr, patience: Duration) -> Result<(), String> {
    let asking = async {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let (reading, mut writing) = stream.into_split();
        let text = "GET /after HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
        writing.write_all(text.as_bytes()).await.map_err(|e| e.to_string())?;
        let record = Shared::new(Record::default());
        record::read(reading, &record, |record| &mut record.client).await;
        let answer = record.borrow().client.got.clone();
        match answer.starts_with(b"HTTP/1.1 200 ") {
            true => Ok(()),
            false => Err(format!("`{}`", answer.escape_ascii())),
        }
    };
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| Err("in time".to_owned()))
}

/// The client's part; returns what went wrong with it, and what was sent.
async fn exchange(
    case: &Case,
    address: SocketAddr,
    record: &Shared,
    patience: Duration,
) -> (Vec<String>, Vec<u8>) {
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return (vec![format!("cannot connect: {error}")], Vec::new()),
    };
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let read = {
        let record = record.clone();
        tokio::spawn(async move { record::read(reading, &record, |r| &mut r.client).await })
    };
    let mut client = Client { writing: Some(writing), record, patience, sent: Vec::new() };
    let mut faults = Vec::new();
    for step in &case.steps {
        if let Err(fault) = client.step(step).await {
            faults.push(fault);
        }
    }
    if matches!(case.steps.last(), Some(Step::Reset)) {
        // Both halves have to go for the reset to be sent, and this one not with a FIN.
        client.writing.take().into_iter().for_each(OwnedWriteHalf::forget);
        let sent = client.sent;
        read.abort();
        let _ = read.await;
        faults.extend(cancelled(case, record, patience).await);
        return (faults, sent);
    }
    if !wait(record, patience, |record| Outcome::enough(case, &record.client)).await {
        faults.push(format!("no end of the answer in {patience:?}"));
    }
    if record.borrow().client.over.is_none() {
        let following = match case.http2 {
            true => h2::following(),
            false => {
                b"GET /following HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n".into()
            }
        };
        client.send(&following).await;
        let last = Case::followed(case);
        if !wait(record, patience, |record| last(record)).await {
            faults.push(format!("neither an end nor a following answer in {patience:?}"));
        }
    }
    faults.extend(cancelled(case, record, patience).await);
    read.abort();
    (faults, client.sent)
}

/// Waits for the end of the target's connection, if the case wants it.
async fn cancelled(case: &Case, record: &Shared, patience: Duration) -> Option<String> {
    let over = |record: &Record| record.target.first().is_some_and(|side| side.over.is_some());
    match !case.cancelled || wait(record, patience, over).await {
        true => None,
        false => Some("the request at the target was not cancelled".to_owned()),
    }
}

struct Client<'a> {
    writing: Option<OwnedWriteHalf>,
    record: &'a Shared,
    patience: Duration,
    sent: Vec<u8>,
}

impl Client<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) => self.send(bytes).await,
            Step::Bytewise(bytes) => {
                for byte in bytes {
                    self.send(&[*byte]).await;
                }
            }
            Step::TargetSees(bytes) => {
                let what = format!("the target did not get `{}`", bytes.escape_ascii());
                self.until(&what, |record| record.target_saw(bytes)).await?;
            }
            Step::ClientSees(bytes) => {
                let what = format!("the client did not get `{}`", bytes.escape_ascii());
                self.until(&what, |record| record.client_saw(bytes)).await?;
            }
            Step::ClientLacks(bytes) => {
                if self.record.borrow().client_saw(bytes) {
                    return Err(format!("the client got `{}` too early", bytes.escape_ascii()));
                }
            }
            Step::Played(n) => {
                self.until("the target did not answer", |record| record.played >= *n).await?;
            }
            Step::Greet => {
                self.send(&[h2::PREFACE, &h2::settings(&[])].concat()).await;
                self.until("no SETTINGS came", |record| h2::greeted(&record.client.got)).await?;
                self.send(&h2::frame(h2::SETTINGS, h2::ACK, 0, [])).await;
            }
            Step::Fin => {
                if let Some(writing) = &mut self.writing {
                    let _ = writing.shutdown().await;
                }
            }
            Step::Reset => {
                if let Some(writing) = &self.writing {
                    let _ = writing.as_ref().set_zero_linger();
                }
            }
        }
        Ok(())
    }

    /// Sends, if anybody is there to take it; what comes of it is read, not written.
    async fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        if let Some(writing) = &mut self.writing {
            let _ = tokio::time::timeout(self.patience, writing.write_all(bytes)).await;
        }
    }

    async fn until(&self, what: &str, seen: impl Fn(&Record) -> bool) -> Result<(), String> {
        let mut found = false;
        wait(self.record, self.patience, |record| {
            found = seen(record);
            found || record.client.over.is_some()
        })
        .await;
        if found { Ok(()) } else { Err(what.to_owned()) }
    }
}
