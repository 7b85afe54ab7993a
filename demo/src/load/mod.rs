//! Load that counts every request that was not answered as it should be.
//!
//! A client here never retries and forgives nothing: whatever it wrote must be answered in time, by
//! exactly one release, with each byte as expected. A connection that the server closes without
//! having announced it (`connection: close`) is a failure as well. A server is free to close a
//! connection that is idle, and a request sent at that very moment is then lost with nobody at
//! fault, so kept-alive connections are kept busy: a pace slower than one request per second and
//! connection asks for failures that are not the server's.

mod client;
mod record;
mod report;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

pub use record::{Answer, Failure};
pub use report::Report;
pub use work::Work;

use client::Client;
use record::Record;

/// How load looks: who sends what, and how often.
#[derive(Clone, Debug)]
pub struct Load {
    address: SocketAddr,
    host: HeaderValue,
    groups: Vec<Group>,
    pace: Duration,
    patience: Duration,
}

/// Clients that are alike.
#[derive(Clone, Debug)]
struct Group {
    clients: usize,
    keep: bool,
    work: Arc<[Work]>,
}

impl Load {
    /// Load on the server at `address`, by no client yet.
    pub fn on(address: SocketAddr) -> Self {
        Self {
            address,
            host: HeaderValue::from_static("localhost"),
            groups: Vec::new(),
            pace: Duration::ZERO,
            patience: Duration::from_secs(30),
        }
    }

    /// Whom requests are for: their `host` line.
    #[must_use]
    pub fn host(self, host: &'static str) -> Self {
        Self { host: HeaderValue::from_static(host), ..self }
    }

    /// More `clients` that send one request after the other on one connection; each asks for
    /// `work` in turn, beginning at another place of the list.
    #[must_use]
    pub fn kept_alive(self, clients: usize, work: impl Into<Arc<[Work]>>) -> Self {
        self.group(Group { clients, keep: true, work: work.into() })
    }

    /// More `clients` that make a new connection for every request.
    #[must_use]
    pub fn fresh(self, clients: usize, work: impl Into<Arc<[Work]>>) -> Self {
        self.group(Group { clients, keep: false, work: work.into() })
    }

    fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// The time from one request of a client to its next; by default it sends at once.
    #[must_use]
    pub fn pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// How long an answer may take in all, 30 s by default; then it has failed.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Starts it on a thread of its own, so that nothing the caller does disturbs its times.
    pub fn start(self) -> std::io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let record = Arc::new(Record::default());
        let (stop, stopped) = watch::channel(false);
        let (done, ended) = oneshot::channel();
        let shared = Arc::clone(&record);
        std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            runtime.block_on(self.run(&shared, &stopped));
            // Nobody may be waiting any more; then nobody wants to know.
            let _ = done.send(());
        })?;
        Ok(Running { record, started: Instant::now(), stop, ended })
    }

    async fn run(self, record: &Arc<Record>, stop: &watch::Receiver<bool>) {
        let mut clients = JoinSet::new();
        for group in &self.groups {
            for _ in 0..group.clients {
                let client = Client::new(&self, group, clients.len());
                clients.spawn(client.run(Arc::clone(record), stop.clone()));
            }
        }
        while let Some(ended) = clients.join_next().await {
            if let Err(e) = ended {
                record.failed(Failure::of_client(&e));
            }
        }
    }
}

/// Load that runs. Dropping it ends it after the requests in flight.
#[derive(Debug)]
pub struct Running {
    record: Arc<Record>,
    started: Instant,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Requests that have been answered or have failed so far.
    pub fn finished(&self) -> u64 {
        self.record.finished()
    }

    /// Requests that have failed so far.
    pub fn failed(&self) -> u64 {
        self.record.failures()
    }

    /// Requests answered by `release` so far.
    pub fn answered_by(&self, release: &str) -> u64 {
        self.record.answered_by(release)
    }

    /// Sends nothing new, waits for what is in flight, and says how it went.
    pub async fn stop(mut self) -> Report {
        self.stop.send_replace(true);
        // The sender is dropped only with the thread, and then all is over as well.
        let _ = (&mut self.ended).await;
        Report::new(self.record.take(), self.started.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
