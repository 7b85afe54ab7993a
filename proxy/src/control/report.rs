//! What the store is told: that this proxy exists, that this process runs, and what it serves.
//!
//! Everything but the fleet key goes with a session, so what a dead process said is gone within
//! [`LEASE_TTL`]. A session that is lost is replaced, and all is said again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shunt_config::key::Key;
use shunt_config::status::{AppStatus, Fleet, Instance};
use shunt_config::store::{
    Condition, Entry, LEASE_TTL, MAX_TXN_OPS, Outcome, Session, Store, StoreError, Txn,
};
use shunt_config::{AppName, ProxyName};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::namesakes::{self, Namesakes};

/// Bytes in one transaction, about: etcd takes 1.5 MiB.
const TXN_BYTES: usize = 512 * 1024;
/// Between two attempts while the store is away.
const BACKOFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(2);

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The proxy.
    pub proxy: ProxyName,
    /// This process of it: unlike every other that was or will be.
    pub instance: String,
    /// Where it keeps its state, and no other process does while this one runs: the end of the
    /// instance's name.
    place: String,
    /// What is said of the process.
    pub about: Instance,
}

impl Identity {
    /// This process as `proxy`, with its admin listener at `admin`, and its state at `place` (see
    /// [`StateLock::place`](crate::saved::StateLock::place)).
    pub fn new(proxy: ProxyName, admin: String, place: &str) -> Self {
        let (started, pid) = (jiff::Timestamp::now(), std::process::id());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            proxy,
            instance: format!("{:x}-{pid:x}-{place}", started.as_millisecond()),
            place: place.to_owned(),
            about: Instance { started, version, pid, admin: Some(admin) },
        }
    }

    /// Whether `instance` is, or was, a process with the state of this one: this one itself, or one
    /// that has ended, whatever of it is still in the store.
    pub(super) fn has_place_of(&self, instance: &str) -> bool {
        instance.rsplit('-').next() == Some(self.place.as_str())
    }
}

/// An app and what is said of it; `None` for nothing any more.
pub type Status = (AppName, Option<Arc<AppStatus>>);

/// The task that tells the store.
#[derive(Debug)]
pub struct Reporter {
    store: Arc<dyn Store>,
    identity: Identity,
    statuses: mpsc::UnboundedReceiver<Status>,
    said: BTreeMap<AppName, Arc<AppStatus>>,
    /// Apps whose key in the store is not what `said` says.
    dirty: BTreeSet<AppName>,
    stopping: watch::Receiver<bool>,
    session: Option<Arc<dyn Session>>,
    known: watch::Sender<bool>,
    backoff: Duration,
    namesakes: Namesakes,
}

impl Reporter {
    /// A reporter of `statuses` to `store`, until `stopping` says true. Another process may have the
    /// name of this proxy for `overlap`, while the one replaces the other; after that it is told.
    pub fn new(
        store: Arc<dyn Store>,
        identity: Identity,
        statuses: mpsc::UnboundedReceiver<Status>,
        stopping: watch::Receiver<bool>,
        overlap: Duration,
    ) -> Self {
        Self {
            namesakes: Namesakes::new(overlap),
            store,
            identity,
            statuses,
            said: BTreeMap::new(),
            dirty: BTreeSet::new(),
            stopping,
            session: None,
            known: watch::Sender::new(false),
            backoff: *BACKOFF.start(),
        }
    }

    /// Becomes true when the store knows of this proxy, and stays so. A proxy that serves before
    /// that could have a release stopped under it.
    pub fn known(&self) -> watch::Receiver<bool> {
        self.known.subscribe()
    }

    /// Tells until it is time to stop; then says that this proxy has ended.
    pub async fn run(mut self) {
        let mut retry: Option<Instant> = None;
        loop {
            if retry.is_none_or(|at| at <= Instant::now()) {
                retry = self.flush().await.err().map(|error| self.failed(&error));
            }
            let session = self.session.clone();
            tokio::select! {
                biased;
                () = told(&mut self.stopping) => break,
                Some(status) = self.statuses.recv() => {
                    self.take(status);
                    // What came in one go is written in one go.
                    while let Ok(status) = self.statuses.try_recv() {
                        self.take(status);
                    }
                }
                () = lost(session.as_ref()), if session.is_some() => {
                    warn!("the store took this proxy for dead; beginning a new session");
                    self.session = None;
                }
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
                () = sleep_until(self.namesakes.due), if retry.is_none() => {
                    self.namesakes.look(&*self.store, &self.identity).await;
                }
            }
        }
        match self.close().await {
            Ok(()) => info!("signed off from the store"),
            Err(error) => warn!("not signed off from the store: {error}"),
        }
    }

    fn take(&mut self, (app, status): Status) {
        match status {
            Some(status) => drop(self.said.insert(app.clone(), status)),
            None => drop(self.said.remove(&app)),
        }
        self.dirty.insert(app);
    }

    fn failed(&mut self, error: &StoreError) -> Instant {
        match error {
            StoreError::LeaseLost => self.session = None,
            _ if self.backoff == *BACKOFF.start() => warn!("status not written: {error}"),
            _ => debug!("status not written: {error}"),
        }
        let at = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(*BACKOFF.end());
        at
    }

    /// Writes what the store does not know yet.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let session = match &self.session {
            Some(session) => Arc::clone(session),
            None => self.begin().await?,
        };
        while !self.dirty.is_empty() && !*self.stopping.borrow() {
            let (txn, apps) = self.next_txn();
            session.commit(txn).await?;
            for app in apps {
                self.dirty.remove(&app);
            }
        }
        self.backoff = *BACKOFF.start();
        Ok(())
    }

    async fn begin(&mut self) -> Result<Arc<dyn Session>, StoreError> {
        let session = self.store.session(LEASE_TTL).await?;
        let Identity { proxy, instance, about, .. } = &self.identity;
        let sign = |txn: Txn| -> Result<Txn, StoreError> {
            Ok(txn.put_leased(Key::Instance(proxy.clone(), instance.clone()), json(about)?))
        };
        // Both at once: a proxy that is known and gives no sign of life is taken for lost.
        let fleet = Fleet { since: about.started, version: about.version.clone() };
        let (key, fleet) = (self.fleet_key(), json(&fleet)?);
        let mut present = None;
        loop {
            let absent = || Condition::Absent(key.clone());
            let condition = present
                .as_ref()
                .map_or_else(absent, |seen: &Entry| Condition::Is(key.clone(), seen.token.clone()));
            // Put anew although it is there: a process of this name that ends at this moment takes
            // away what it has seen, and no more.
            let sound = present.as_ref().filter(|seen| seen.fault.is_none());
            let value = sound.map_or_else(|| fleet.clone(), |seen| seen.value.clone());
            let txn = Txn::new().when(condition).put(key.clone(), value);
            if session.commit(sign(txn)?).await? != Outcome::Refused {
                break;
            }
            present = self.store.read(&key).await?.entries.remove(&key);
        }
        // What was said in a session before went with it.
        self.dirty = self.said.keys().cloned().collect();
        self.session = Some(Arc::clone(&session));
        self.known.send_replace(true);
        Ok(session)
    }

    fn fleet_key(&self) -> String {
        Key::Fleet(self.identity.proxy.clone()).to_string()
    }

    /// As much of what is dirty as goes into one transaction.
    fn next_txn(&self) -> (Txn, Vec<AppName>) {
        let Identity { proxy, instance, .. } = &self.identity;
        let (mut txn, mut apps, mut bytes) = (Txn::new(), Vec::new(), 0);
        for app in self.dirty.iter().take(MAX_TXN_OPS) {
            let key = Key::Status(proxy.clone(), instance.clone(), app.clone());
            txn = match self.said.get(app).map(|status| json(&**status)) {
                Some(Ok(value)) => {
                    bytes += value.len();
                    txn.put_leased(key, value)
                }
                _ => txn.delete(key),
            };
            apps.push(app.clone());
            if bytes > TXN_BYTES {
                break;
            }
        }
        (txn, apps)
    }

    /// Ends the session and leaves the fleet, unless another process of this name goes on: then the
    /// fleet must not forget it.
    async fn close(mut self) -> Result<(), StoreError> {
        if let Some(session) = self.session.take() {
            session.close().await?;
        }
        // In this order: one that has begun by now is seen by the second read, and one that begins
        // later puts the key anew.
        let key = self.fleet_key();
        let Some(seen) = self.store.read(&key).await?.entries.remove(&key) else { return Ok(()) };
        let others = namesakes::others(&*self.store, &self.identity).await?;
        if let Some(other) = others.first() {
            warn!("still known to the store: {other} goes on under the same name");
            return Ok(());
        }
        let txn = Txn::new().when(Condition::Is(key.clone(), seen.token)).delete(key);
        self.store.commit(txn).await?;
        Ok(())
    }
}

/// Waits until it is time to stop.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // An error means that whoever would say so is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn lost(session: Option<&Arc<dyn Session>>) {
    if let Some(session) = session {
        session.lost().await;
    }
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, StoreError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| StoreError::Refused {
        store: "none".to_owned(),
        reason: format!("a status does not become JSON: {error}"),
    })
}
