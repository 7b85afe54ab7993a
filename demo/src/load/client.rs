//! One client: a connection at a time, a request at a time, and no second try.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::record::{Failure, Record};
use super::work::{self, Body, Expected, Work};
use super::{Group, Load};
use crate::app::{COUNTED, RELEASE};

pub(super) struct Client {
    address: SocketAddr,
    host: HeaderValue,
    keep: bool,
    work: Arc<[Work]>,
    pace: Duration,
    patience: Duration,
    /// Seeds of this client's bodies differ from those of all others.
    number: usize,
    sent: usize,
    connection: Option<Connection>,
}

/// A connection and how many requests it has carried.
struct Connection {
    requests: SendRequest<Body>,
    carried: u64,
}

/// An answer that was right so far as its head goes.
struct Answered {
    release: String,
    at: Instant,
    closes: bool,
}

impl Client {
    pub(super) fn new(load: &Load, group: &Group, number: usize) -> Self {
        Self {
            address: load.address,
            host: load.host.clone(),
            keep: group.keep,
            work: Arc::clone(&group.work),
            pace: load.pace,
            patience: load.patience,
            number,
            sent: 0,
            connection: None,
        }
    }

    /// Sends until told to stop; what is in flight then is still waited for.
    pub(super) async fn run(mut self, record: Arc<Record>, mut stop: watch::Receiver<bool>) {
        let mut pace = tokio::time::interval(self.pace.max(Duration::from_nanos(1)));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow_and_update() {
            self.one(&record).await;
            if !self.pace.is_zero() {
                tokio::select! {
                    _ = pace.tick() => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }

    async fn one(&mut self, record: &Record) {
        let turn = (self.number + self.sent) % self.work.len().max(1);
        let Some(work) = self.work.get(turn).copied() else { return };
        self.sent += 1;
        let before = self.connection.as_ref().map_or(0, |connection| connection.carried);
        let sent = Instant::now();
        let outcome = tokio::time::timeout(self.patience, self.exchange(work)).await;
        match outcome.unwrap_or_else(|_| Err(format!("no full answer in {:?}", self.patience))) {
            Ok(answered) => {
                let ended = Instant::now();
                record.answered(&answered.release, work, [sent, answered.at, ended]);
                if answered.closes || !self.keep {
                    self.connection = None;
                }
            }
            Err(reason) => {
                // What is left on this connection belongs to the request that failed.
                self.connection = None;
                record.failed(Failure { work: Some(work), sent, before, reason });
                // A server that is away should not be asked a hundred thousand times a second.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn exchange(&mut self, work: Work) -> Result<Answered, String> {
        let seed = ((self.number as u64) << 32) | self.sent as u64;
        let (mut request, expected) = work::request(work, seed).map_err(|e| e.to_string())?;
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().insert(COUNTED, HeaderValue::from_static("1"));
        if !self.keep {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.address).await?),
        };
        let ready = connection.requests.ready().await;
        ready.map_err(|e| format!("the connection was closed unannounced: {}", chain(&e)))?;
        let response = connection.requests.send_request(request).await;
        let response = response.map_err(|e| format!("no answer: {}", chain(&e)))?;
        connection.carried += 1;
        check(response, expected).await
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|e| format!("connect: {e}"))?;
        // Head and body are separate writes; the second must not wait for the first's ACK.
        stream.set_nodelay(true).map_err(|e| format!("nodelay: {e}"))?;
        let (requests, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        // Its error reaches the request that suffers from it.
        tokio::spawn(connection);
        Ok(Self { requests, carried: 0 })
    }
}

async fn check(
    mut response: Response<Incoming>,
    mut expected: Expected,
) -> Result<Answered, String> {
    let at = Instant::now();
    if response.status() != StatusCode::OK {
        return Err(refused(response).await);
    }
    let releases: Vec<_> = response.headers().get_all(RELEASE).iter().collect();
    let release = match releases.as_slice() {
        [one] => String::from_utf8_lossy(one.as_bytes()).into_owned(),
        several => return Err(format!("{} releases named in one answer", several.len())),
    };
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|e| format!("the body broke off: {}", chain(&e)))?;
        if let Some(piece) = frame.data_ref() {
            expected.piece(piece)?;
        }
    }
    expected.end(&release)?;
    let closes = response.headers().get(CONNECTION).is_some_and(|value| value == "close");
    Ok(Answered { release, at, closes })
}

async fn refused(response: Response<Incoming>) -> String {
    let status = response.status();
    let body = Limited::new(response.into_body(), 4096).collect().await;
    let said = body.map(Collected::to_bytes).unwrap_or_default();
    format!("status {status}: {}", String::from_utf8_lossy(&said).trim_end())
}

/// An error with its causes: hyper's own text names only the outermost.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    said
}
