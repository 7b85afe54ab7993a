//! A session: a lease that is kept alive.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Client, Error};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, warn};

use super::Inner;
use super::link::Repeat;
use crate::store::{Outcome, Session, StoreError, Txn};

/// After a keep-alive that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// A session on etcd.
#[derive(Debug)]
pub(super) struct EtcdSession {
    inner: Arc<Inner>,
    lease: i64,
    lost: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl EtcdSession {
    /// Asks for a lease and begins to keep it alive.
    pub(super) async fn begin(inner: &Arc<Inner>, ttl: Duration) -> Result<Self, StoreError> {
        let seconds = i64::try_from(ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let asked = Instant::now();
        // A second grant after a lost answer leaves a lease behind that nothing hangs on; it runs
        // out by itself.
        let call = |mut client: Client| async move { client.lease_grant(seconds, None).await };
        let granted = inner.links.call(Repeat::Always, call).await?;
        // etcd gives longer than asked if an election could take that long.
        let ttl = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or_default());
        let lost = watch::Sender::new(false);
        let keeper = Keeper { inner: Arc::clone(inner), lease: granted.id(), ttl };
        let keeper = tokio::spawn(keeper.run(asked + ttl, lost.clone()));
        Ok(Self { inner: Arc::clone(inner), lease: granted.id(), lost, keeper })
    }
}

#[async_trait]
impl Session for EtcdSession {
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        if *self.lost.borrow() {
            return Err(StoreError::LeaseLost);
        }
        let outcome = self.inner.commit(&txn, Some(self.lease)).await;
        if let Err(StoreError::LeaseLost) = outcome {
            self.lost.send_replace(true);
        }
        outcome
    }

    async fn lost(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.keeper.abort();
        self.lost.send_replace(true);
        match revoke(&self.inner, self.lease).await {
            Err(StoreError::LeaseLost) => Ok(()),
            done => done,
        }
    }
}

impl Drop for EtcdSession {
    fn drop(&mut self) {
        self.keeper.abort();
        if self.lost.send_replace(true) {
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
    async fn run(self, mut until: Instant, lost: watch::Sender<bool>) {
        let mut wait = self.ttl / 3;
        loop {
            sleep(wait.min(until.saturating_duration_since(Instant::now()))).await;
            let asked = Instant::now();
            let reason = match timeout_at(until, self.keep()).await {
                Ok(Ok(())) => {
                    (until, wait) = (asked + self.ttl, self.ttl / 3);
                    continue;
                }
                Ok(Err(e @ StoreError::LeaseLost)) => e.to_string(),
                Ok(Err(e)) if Instant::now() < until => {
                    debug!(error = %e, "the lease could not be kept alive, trying again");
                    wait = PAUSE;
                    continue;
                }
                Ok(Err(e)) => e.to_string(),
                Err(_) => format!("not kept alive for {} s", self.ttl.as_secs()),
            };
            warn!(reason, "the lease is lost");
            lost.send_replace(true);
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
