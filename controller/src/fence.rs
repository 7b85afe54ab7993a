//! What keeps one who has lost the lock from doing anything on an engine.
//!
//! Keys are safe by themselves: every write compares the lock. An engine knows nothing of a lock. So right
//! before each act on one, the lock is read afresh, however long the engine has kept us waiting until then;
//! and what an engine is being asked is dropped as soon as the lock may be another's. An act that the engine
//! has begun by then goes on there: whoever takes over reckons with that.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use jiff::Timestamp;
use shunt_config::AppName;
use shunt_config::store::{Store, StoreError};

use crate::app_keys::AppKeys;
use crate::engine::EngineError;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::lock::Held;

/// Asked before each act on an engine.
#[derive(Clone, Copy, Debug)]
pub struct Fence<'a> {
    store: &'a dyn Store,
    app: &'a AppName,
    held: Option<&'a Held>,
}

/// Why an engine did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// It was not asked: the lock is lost, or nobody can tell.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<NotDone> for Failure {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Store(error) => error.into(),
            NotDone::Engine(error) => error.into(),
        }
    }
}

impl<'a> Fence<'a> {
    /// For the holder of the lock of `app`.
    pub fn of(held: &'a Held, store: &'a dyn Store, app: &'a AppName) -> Self {
        Self { store, app, held: Some(held) }
    }

    /// For one who has lost it, and clears away what nobody else can come to know of.
    pub fn without_lock(store: &'a dyn Store, app: &'a AppName) -> Self {
        Self { store, app, held: None }
    }

    /// The app.
    pub fn app(&self) -> &'a AppName {
        self.app
    }

    /// Since when the lock is held; just now, where it is not.
    pub fn since(&self) -> Timestamp {
        self.held.map_or_else(Timestamp::now, Held::since)
    }

    /// The app's keys as they stand now; an error if they show the lock lost.
    pub async fn keys(&self) -> Result<AppKeys, StoreError> {
        let read = async || AppKeys::read(self.store, self.app).await;
        let Some(held) = self.held else { return read().await };
        let keys = held.steady(read).await?;
        held.still_in(&keys)?;
        Ok(keys)
    }

    /// The same, and what the proxies say.
    pub async fn look(&self) -> Result<(AppKeys, Fleet), StoreError> {
        let read = async || Fleet::read(self.store, Some(self.app)).await;
        let fleet = match self.held {
            Some(held) => held.steady(read).await?,
            None => read().await?,
        };
        // Last, so that nothing comes between the look at the lock and the act.
        Ok((self.keys().await?, fleet))
    }

    /// Has an engine do `call`, if the lock is held.
    ///
    /// # Cancel safety
    ///
    /// As that of `call`.
    pub async fn act<T>(
        &self,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, NotDone> {
        self.keys().await?;
        self.within(call).await
    }

    /// The same if the keys, as they stand now, show that it is to be done.
    pub async fn act_if<T>(
        &self,
        wanted: impl FnOnce(&AppKeys) -> bool,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<Option<T>, NotDone> {
        match wanted(&self.keys().await?) {
            true => self.within(call).await.map(Some),
            false => Ok(None),
        }
    }

    /// Has an engine do `call`, which is dropped when the lock may be lost. It is asked for right after a
    /// look that has shown that it is to be done.
    pub async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, NotDone> {
        let mut call = pin!(call);
        // Asked at each turn, not by a timer: one that was suspended must not write another byte.
        let fenced = poll_fn(|turn| match self.held.is_some_and(|held| held.rest().is_zero()) {
            true => Poll::Ready(Err(StoreError::LeaseLost.into())),
            false => call.as_mut().poll(turn).map_err(NotDone::Engine),
        });
        let lost = async {
            match self.held {
                Some(held) => held.lost().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = lost => Err(StoreError::LeaseLost.into()),
            done = fenced => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use shunt_config::store::{self, StoreConfig, Txn};
    use tokio::time::timeout;

    use super::*;
    use crate::history::new_id;
    use crate::lock::take;
    use crate::report::Report;

    struct Site {
        _directory: tempfile::TempDir,
        store: Arc<dyn Store>,
        app: AppName,
        held: Held,
    }

    async fn site() -> Site {
        let directory = tempfile::TempDir::new().unwrap();
        let store = store::open(&StoreConfig::directory(directory.path().join("store"))).unwrap();
        let (app, report) = ("web".parse().unwrap(), Report::new(false));
        let held = take(&*store, &app, "deploy", Duration::ZERO, &report).await.unwrap();
        Site { _directory: directory, store, app, held }
    }

    #[tokio::test]
    async fn what_an_engine_is_being_asked_is_dropped_when_the_lock_is_lost() {
        let site = site().await;
        let fence = Fence::of(&site.held, &*site.store, &site.app);
        fence.act(async { Ok(()) }).await.unwrap();
        let mut act = pin!(fence.act(pending::<Result<(), _>>()));
        let early = timeout(Duration::from_millis(100), &mut act).await;
        assert!(early.is_err(), "it is held");
        site.held.clone().release().await.unwrap();
        let done = act.await;
        assert!(matches!(done, Err(NotDone::Store(StoreError::LeaseLost))), "{done:?}");
    }

    #[tokio::test]
    async fn no_engine_is_asked_for_anything_by_one_whose_lock_is_gone_or_anothers() {
        let site = site().await;
        let fence = Fence::of(&site.held, &*site.store, &site.app);
        let lock = "apps/web/lock";
        for txn in [Txn::new().delete(lock), Txn::new().put(lock, "another's")] {
            site.store.commit(txn).await.unwrap();
            let done = fence.act(async { unreachable!("it is asked") }).await;
            let done: Result<(), _> = done;
            assert!(matches!(done, Err(NotDone::Store(StoreError::LeaseLost))), "{done:?}");
        }
    }

    #[tokio::test]
    async fn a_deploy_that_began_after_the_lock_was_taken_is_another_holders() {
        let site = site().await;
        assert!(site.held.is_older("20260101T000000-00000000"));
        assert!(!site.held.is_older("29990101T000000123-00000000"));
        let own = new_id();
        let report = Report::new(false);
        site.held.release().await.unwrap();
        let later = take(&*site.store, &site.app, "deploy", Duration::ZERO, &report).await.unwrap();
        assert!(later.is_older(&own));
    }
}
