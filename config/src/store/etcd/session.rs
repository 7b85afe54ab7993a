//! A session: a lease that is kept alive.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Client, Error};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::Inner;
use super::link::Repeat;
use crate::store::moment::Moment;
use crate::store::{Outcome, Session, StoreError, Txn};

/// After a keep-alive that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// A session on etcd.
#[derive(Debug)]
pub(super) struct EtcdSession {
    inner: Arc<Inner>,
    lease: i64,
    /// Until when the lease is sure to last; `None` once it is lost.
    until: watch::Sender<Option<Moment>>,
    keeper: JoinHandle<()>,
}

impl EtcdSession {
    /// Asks for a lease and begins to keep it alive.
    pub(super) async fn begin(inner: &Arc<Inner>, ttl: Duration) -> Result<Self, StoreError> {
        let seconds = i64::try_from(ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let asked = Moment::now();
        // A second grant after a lost answer leaves a lease behind that nothing hangs on; it runs
        // out by itself.
        let call = |mut client: Client| async move { client.lease_grant(seconds, None).await };
        let granted = inner.links.call(Repeat::Always, call).await?;
        // etcd gives longer than asked if an election could take that long.
        let ttl = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or_default());
        let until = watch::Sender::new(Some(asked + ttl));
        let keeper = Keeper { inner: Arc::clone(inner), lease: granted.id(), ttl };
        let keeper = tokio::spawn(keeper.run(until.clone()));
        Ok(Self { inner: Arc::clone(inner), lease: granted.id(), until, keeper })
    }
}

#[async_trait]
impl Session for EtcdSession {
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        if self.until.borrow().is_none() {
            return Err(StoreError::LeaseLost);
        }
        let outcome = self.inner.commit(&txn, Some(self.lease)).await;
        if let Err(StoreError::LeaseLost) = outcome {
            self.until.send_replace(None);
        }
        outcome
    }

    async fn lost(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = self.until.subscribe().wait_for(Option::is_none).await;
    }

    fn rest(&self) -> Duration {
        self.until.borrow().map_or(Duration::ZERO, Moment::left)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.keeper.abort();
        self.until.send_replace(None);
        match revoke(&self.inner, self.lease).await {
            Err(StoreError::LeaseLost) => Ok(()),
            done => done,
        }
    }
}

impl Drop for EtcdSession {
    fn drop(&mut self) {
        self.keeper.abort();
        if self.until.send_replace(None).is_none() {
            return;
        }
        // At best: without a runtime, or at its end, the lease runs out by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (inner, lease) = (Arc::clone(&self.inner), self.lease);
            runtime.spawn(async move {
                if let Err(e) = revoke(&inner, lease).await {
                    debug!(error = %e, "cannot revoke the lease of a dropped session");
                }
            });
        }
    }
}

async fn revoke(inner: &Inner, lease: i64) -> Result<(), StoreError> {
    let call = |mut client: Client| async move { client.lease_revoke(lease).await };
    inner.links.call(Repeat::Always, call).await.map(|_| ())
}

/// What keeps one lease alive.
struct Keeper {
    inner: Arc<Inner>,
    lease: i64,
    ttl: Duration,
}

impl Keeper {
    /// Asks for more time until the lease is lost: etcd says so, or its time is over unanswered.
    async fn run(self, held: watch::Sender<Option<Moment>>) {
        let mut wait = self.ttl / 3;
        loop {
            let Some(until) = *held.borrow() else { return };
            sleep(wait.min(until.left())).await;
            let asked = Moment::now();
            let kept = tokio::select! {
                biased;
                kept = self.keep() => Some(kept),
                () = until.past() => None,
            };
            let reason = match kept {
                Some(Ok(())) => {
                    // Unless it was found lost meanwhile.
                    held.send_modify(|until| *until = until.map(|_| asked + self.ttl));
                    wait = self.ttl / 3;
                    continue;
                }
                Some(Err(e @ StoreError::LeaseLost)) => e.to_string(),
                Some(Err(e)) if !until.left().is_zero() => {
                    debug!(error = %e, "the lease could not be kept alive, trying again");
                    wait = PAUSE;
                    continue;
                }
                Some(Err(e)) => e.to_string(),
                None => format!("not kept alive for {} s", self.ttl.as_secs()),
            };
            warn!(reason, "the lease is lost");
            held.send_replace(None);
            return;
        }
    }

    async fn keep(&self) -> Result<(), StoreError> {
        let lease = self.lease;
        // The library reads the first answer itself, and takes a lease without time left for an
        // error; a stream for each is robust where a member goes away, and costs nothing at this pace.
        let call = |mut client: Client| async move {
            let (keeper, answers) = client.lease_keep_alive(lease).await?;
            drop((keeper, answers));
            Ok::<(), Error>(())
        };
        self.inner.links.call(Repeat::Always, call).await
    }
}
