//! The connection to etcd: one at a time, proved before it is used, replaced when it fails.
//!
//! With several endpoints, whichever answers a linearizable read first is taken: a member that is
//! frozen, partitioned or without a leader does not win. (A balancer over all of them would send
//! every n-th request to the frozen one.)

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Error, GetOptions, Identity, TlsOptions};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::error::{self, Kind};
use crate::store::{StoreConfig, StoreError};

/// A whole call, with everything that is tried.
const CALL: Duration = Duration::from_secs(5);
/// One attempt at a call, or at a connection.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts: an election takes a second or two.
const PAUSE: Duration = Duration::from_millis(100);
/// HTTP/2 pings on a connection in use. etcd closes connections that ping more often than every
/// 5 s, so this only finds what the watch's own checks do not.
const PING: Duration = Duration::from_secs(6);

/// Whether a call may be made a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or the same twice.
    Always,
    /// Only if the first one surely did nothing.
    IfUnsent,
    /// Not at all: the caller has its own way to go on.
    Never,
}

/// One connection.
#[derive(Clone)]
struct Link {
    client: Client,
    endpoint: String,
    number: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({} #{})", self.endpoint, self.number)
    }
}

/// The connection of one store.
#[derive(Debug)]
pub(super) struct Links {
    config: StoreConfig,
    current: Mutex<Option<Link>>,
    count: AtomicU64,
}

impl Links {
    pub(super) fn new(config: StoreConfig) -> Self {
        Self { config, current: Mutex::new(None), count: AtomicU64::new(0) }
    }

    pub(super) fn name(&self) -> String {
        format!("etcd {}", self.config.etcd.join(","))
    }

    pub(super) fn unreachable(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Unreachable { store: self.name(), reason: reason.into() }
    }

    /// Makes a call, again on another connection where that is safe; ends within [`CALL`].
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(Client) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let mut last = None;
        let attempts = async {
            loop {
                match self.attempt(repeat, &call).await {
                    Ok(done) => return Ok(done),
                    Err(Failure { error, again: false }) => return Err(error),
                    Err(Failure { error, again: true }) => last = Some(error),
                }
                sleep(PAUSE).await;
            }
        };
        let ended = timeout(CALL, attempts).await;
        ended.unwrap_or_else(|_| {
            let seconds = CALL.as_secs();
            Err(last.unwrap_or_else(|| self.unreachable(format!("no answer in {seconds} s"))))
        })
    }

    async fn attempt<T, F>(
        &self,
        repeat: Repeat,
        call: &(impl Fn(Client) -> F + Send + Sync),
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let link = match self.link().await {
            Err(failure) if repeat == Repeat::Never => return Err(failure.error.into()),
            link => link?,
        };
        let (kind, reason) = match timeout(ATTEMPT, call(link.client.clone())).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(e)) => (error::kind(&e), error::text(&e)),
            Err(_) => (Kind::Unfit, format!("no answer in {} s", ATTEMPT.as_secs())),
        };
        let reason = format!("{}: {reason}", link.endpoint);
        match kind {
            Kind::LeaseGone => return Err(StoreError::LeaseLost.into()),
            Kind::No => return Err(StoreError::Refused { store: self.name(), reason }.into()),
            Kind::Unfit | Kind::Unsent | Kind::Login => self.drop_link(link.number).await,
        }
        let again = match repeat {
            Repeat::Always => true,
            Repeat::IfUnsent => kind != Kind::Unfit,
            Repeat::Never => false,
        };
        Err(Failure { error: self.unreachable(reason), again })
    }

    /// A client of the present connection; a new one if there is none.
    pub(super) async fn client(&self) -> Result<Client, StoreError> {
        self.link().await.map(|link| link.client).map_err(|failure| failure.error)
    }

    /// Has the next call connect anew, unless somebody is doing so already.
    pub(super) fn renew(&self) {
        if let Ok(mut current) = self.current.try_lock() {
            *current = None;
        }
    }

    async fn drop_link(&self, number: u64) {
        let mut current = self.current.lock().await;
        // Another caller may have replaced it already.
        current.take_if(|link| link.number == number);
    }

    async fn link(&self) -> Result<Link, Failure> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(link) => Ok(link.clone()),
            None => Ok(current.insert(self.connect().await?).clone()),
        }
    }

    /// The connection to whichever endpoint proves itself first.
    async fn connect(&self) -> Result<Link, Failure> {
        let options = self.options().await.map_err(|reason| self.unreachable(reason))?;
        let mut attempts: FuturesUnordered<_> =
            self.config.etcd.iter().map(|endpoint| self.prove(endpoint, &options)).collect();
        let (mut reasons, mut again) = (Vec::new(), false);
        while let Some(proved) = attempts.next().await {
            match proved {
                Ok(link) => {
                    debug!(endpoint = link.endpoint, "connected");
                    return Ok(link);
                }
                Err((kind, reason)) => {
                    again |= kind != Kind::No;
                    reasons.push(reason);
                }
            }
        }
        let (store, reason) = (self.name(), reasons.join("; "));
        let error = match again {
            true => StoreError::Unreachable { store, reason },
            false => StoreError::Refused { store, reason },
        };
        Err(Failure { error, again })
    }

    /// Connects to one endpoint and has it answer a read that needs a leader.
    async fn prove(
        &self,
        endpoint: &str,
        options: &ConnectOptions,
    ) -> Result<Link, (Kind, String)> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let proof = async {
            let mut client = Client::connect([endpoint], Some(options.clone())).await?;
            let nothing = GetOptions::new().with_prefix().with_count_only();
            client.get(format!("{}/", self.config.prefix), Some(nothing)).await?;
            Ok(client)
        };
        let (kind, reason) = match timeout(ATTEMPT, proof).await {
            Ok(Ok(client)) => return Ok(Link { client, endpoint: endpoint.to_owned(), number }),
            Ok(Err(e)) => (error::kind(&e), error::text(&e)),
            Err(_) => (Kind::Unfit, format!("no answer in {} s", ATTEMPT.as_secs())),
        };
        Err((kind, format!("{endpoint}: {reason}")))
    }

    /// Read anew for every connection: passwords and certificates are replaced on disk.
    async fn options(&self) -> Result<ConnectOptions, String> {
        let config = &self.config;
        let mut options = ConnectOptions::new()
            .with_require_leader(true)
            .with_keep_alive(PING, ATTEMPT)
            .with_connect_timeout(ATTEMPT);
        if let (Some(user), Some(path)) = (&config.user, &config.password_file) {
            let password = file(path).await?;
            options = options.with_user(user, password.trim_end_matches(['\r', '\n']));
        }
        if let Some(path) = &config.ca {
            let mut tls =
                TlsOptions::new().ca_certificate(Certificate::from_pem(file(path).await?));
            if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
                tls = tls.identity(Identity::from_pem(file(certificate).await?, file(key).await?));
            }
            options = options.with_tls(tls);
        }
        Ok(options)
    }
}

async fn file(path: &Path) -> Result<String, String> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// A failed attempt, and whether another one may be made.
#[derive(Debug)]
struct Failure {
    error: StoreError,
    again: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, again: false }
    }
}
