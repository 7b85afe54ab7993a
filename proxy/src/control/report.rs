//! What the store is told: that this proxy exists, that this process runs, and what it serves.
//!
//! Everything but the fleet key goes with a session, so what a dead process said is gone within
//! [`LEASE_TTL`]. A session that is lost is replaced, and all is said again; so it is where keys are
//! gone although their lease is not.

use std::sync::Arc;
use std::time::Duration;

use shunt_config::key::Key;
use shunt_config::status::{AppStatus, Fleet};
use shunt_config::store::{
    Condition, Entry, LEASE_TTL, MAX_TXN_OPS, Outcome, Session, Store, StoreError, Txn,
};
use shunt_config::{AppName, ProxyName};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::identity::Identity;
use super::namesakes::{self, Namesakes};
use super::pace::Pace;
use super::said::{Said, json};

/// Between two attempts while the store is away.
const BACKOFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(2);
/// Between two looks whether the store still has what it was told; longer while it has not, however
/// often it is told.
const LOOKS: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_mins(1);

/// An app and what is said of it; `None` for nothing any more.
pub type Status = (AppName, Option<Arc<AppStatus>>);

/// The task that tells the store.
#[derive(Debug)]
pub struct Reporter {
    store: Arc<dyn Store>,
    identity: Identity,
    /// What the store knows it by: the proxy's name, unless an older process has that.
    name: ProxyName,
    statuses: mpsc::UnboundedReceiver<Status>,
    said: Said,
    stopping: watch::Receiver<bool>,
    session: Option<Arc<dyn Session>>,
    /// Whether the store was told in this session that this process is there.
    signed: bool,
    /// What it said under another name goes with this.
    leaving: Option<Arc<dyn Session>>,
    known: watch::Sender<bool>,
    backoff: Pace,
    looks: Pace,
    /// When to look next.
    look: Instant,
    namesakes: Namesakes,
}

impl Reporter {
    /// A reporter of `statuses` to `store`, until `stopping` says true. Another process may have the
    /// name of this proxy for `overlap`, while the one replaces the other; after that it is told, and
    /// the younger one goes by another name.
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
            name: identity.proxy.clone(),
            identity,
            statuses,
            said: Said::default(),
            stopping,
            session: None,
            signed: false,
            leaving: None,
            known: watch::Sender::new(false),
            backoff: Pace::new(BACKOFF),
            looks: Pace::new(LOOKS),
            look: Instant::now() + *LOOKS.start(),
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
                    self.said.take(status);
                    // What came in one go is written in one go.
                    while let Ok(status) = self.statuses.try_recv() {
                        self.said.take(status);
                    }
                }
                () = lost(session.as_ref()), if session.is_some() => {
                    self.lost_session();
                }
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
                () = sleep_until(self.namesakes.due), if retry.is_none() => {
                    let found = self.namesakes.look(&*self.store, &self.identity, &self.name);
                    if let Some(name) = found.await {
                        self.name = name;
                        self.leaving = self.leave_session();
                    }
                }
                () = sleep_until(self.look), if retry.is_none() => self.look().await,
            }
        }
        match self.close().await {
            Ok(()) => info!("signed off from the store"),
            Err(error) => warn!("not signed off from the store: {error}"),
        }
    }

    fn failed(&mut self, error: &StoreError) -> Instant {
        match error {
            StoreError::LeaseLost => self.lost_session(),
            _ if self.backoff.is_fresh() => warn!("status not written: {error}"),
            _ => debug!("status not written: {error}"),
        }
        Instant::now() + self.backoff.failed()
    }

    fn lost_session(&mut self) {
        warn!("the store took this proxy for dead; beginning a new session");
        self.leave_session();
    }

    /// Begins another session with the next word.
    fn leave_session(&mut self) -> Option<Arc<dyn Session>> {
        self.signed = false;
        self.session.take()
    }

    /// Writes what the store does not know yet.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let session = match &self.session {
            Some(session) => Arc::clone(session),
            None => Arc::clone(self.session.insert(self.store.session(LEASE_TTL).await?)),
        };
        if !self.signed {
            self.sign(&*session).await?;
        }
        while !*self.stopping.borrow()
            && let Some((txn, apps)) = self.said.next(|app| self.key(app))
        {
            session.commit(txn).await?;
            self.said.known(&apps);
        }
        // Only now: there is no moment in which nothing is said of this process.
        if let Some(before) = self.leaving.take()
            && let Err(error) = before.close().await
        {
            debug!("what was said under another name ends with its lease: {error}");
        }
        self.backoff.done();
        Ok(())
    }

    /// Says that this process is there, and all that was said before.
    async fn sign(&mut self, session: &dyn Session) -> Result<(), StoreError> {
        let Identity { proxy, instance, about, .. } = &self.identity;
        let sign = |txn: Txn| -> Result<Txn, StoreError> {
            let txn = match self.identity.aside() {
                // What a process before this one went by, with the same state, is nobody's.
                Some(aside) if self.name == *proxy => txn.delete(Key::Fleet(aside)),
                _ => txn,
            };
            let key = Key::Instance(self.name.clone(), instance.clone());
            Ok(txn.put_leased(key, json(about)?))
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
        self.said.again();
        self.signed = true;
        self.known.send_replace(true);
        Ok(())
    }

    /// Looks whether the store still has what it was told, and tells it again where it has not:
    /// somebody deleted it by hand, say, and controllers would not wait for this proxy.
    async fn look(&mut self) {
        let wait = match self.is_there().await {
            Ok(true) => self.looks.done(),
            Ok(false) => {
                warn!("what this proxy said is not in the store any more; it is said again");
                self.signed = false;
                self.looks.failed()
            }
            Err(error) => {
                debug!("not looked what the store has of this proxy: {error}");
                self.looks.failed()
            }
        };
        self.look = Instant::now() + wait;
    }

    /// Whether the store has this proxy, this process, and what is said of its apps: of as many as go
    /// into one transaction, which costs the store next to nothing however many there are.
    async fn is_there(&mut self) -> Result<bool, StoreError> {
        let fleet = self.fleet_key();
        let instance = Key::Instance(self.name.clone(), self.identity.instance.clone());
        let apps = self.said.some(MAX_TXN_OPS - 2);
        let own = [fleet.clone(), instance.to_string()].into_iter();
        let all = own.chain(apps.iter().map(|app| self.key(app).to_string()));
        let txn = all.fold(Txn::new(), |txn, key| txn.when(Condition::Exists(key)));
        if self.store.commit(txn.clone()).await? != Outcome::Refused {
            return Ok(true);
        }
        // A member of the cluster that is behind says so, too. After a read it is not.
        self.store.read(&fleet).await?;
        Ok(self.store.commit(txn).await? != Outcome::Refused)
    }

    fn fleet_key(&self) -> String {
        Key::Fleet(self.name.clone()).to_string()
    }

    fn key(&self, app: &AppName) -> Key {
        Key::Status(self.name.clone(), self.identity.instance.clone(), app.clone())
    }

    /// Ends the session and leaves the fleet, unless another process of this name goes on: then the
    /// fleet must not forget it.
    async fn close(mut self) -> Result<(), StoreError> {
        for session in [self.leaving.take(), self.session.take()].into_iter().flatten() {
            session.close().await?;
        }
        // In this order: one that has begun by now is seen by the second read, and one that begins
        // later puts the key anew.
        let key = self.fleet_key();
        let Some(seen) = self.store.read(&key).await?.entries.remove(&key) else { return Ok(()) };
        let others = namesakes::others(&*self.store, &self.identity, &self.name).await?;
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

#[cfg(test)]
mod tests;
