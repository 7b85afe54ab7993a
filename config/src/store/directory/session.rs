//! A session: the leased files that this process keeps locked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::lock::{Lock, with};
use super::root::Root;
use super::txn;
use crate::store::{Op, Outcome, Session, StoreError, Txn};

/// The locked files by key. Dropping one releases its lock, which ends the key.
#[derive(Debug, Default)]
pub(super) struct Held {
    files: Mutex<BTreeMap<String, File>>,
}

impl Held {
    /// Takes over `new` and lets go of what `written` replaced.
    pub(super) fn replace(&self, written: &[Op], new: BTreeMap<String, File>) {
        let mut files = self.lock();
        for op in written {
            files.remove(op.key());
        }
        files.extend(new);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes every file that is still under its key, and lets go of all.
    fn clear(&self, root: &Root) -> io::Result<()> {
        let mut files = self.lock();
        for (key, file) in std::mem::take(&mut *files) {
            let path = root.path(&key);
            let ours = file.metadata()?.ino();
            if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.ino() == ours) {
                std::fs::remove_file(&path)?;
                root.prune_parents(&key);
            }
        }
        Ok(())
    }
}

/// A session of the directory store. It cannot lose its lease: the kernel holds it for as long as
/// this process does.
#[derive(Debug)]
pub(super) struct DirectorySession {
    root: Arc<Root>,
    held: Arc<Held>,
    closed: watch::Sender<bool>,
}

impl DirectorySession {
    pub(super) fn new(root: &Arc<Root>) -> Self {
        let closed = watch::Sender::new(false);
        Self { root: Arc::clone(root), held: Arc::default(), closed }
    }
}

#[async_trait]
impl Session for DirectorySession {
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.root.check(&txn, true)?;
        if *self.closed.borrow() {
            return Err(StoreError::LeaseLost);
        }
        let (held, closed) = (Arc::clone(&self.held), self.closed.subscribe());
        let outcome = with(&self.root, Lock::Exclusive, move |root| {
            // Asked again under the lock: `close` clears under it, and nothing may come after.
            match *closed.borrow() {
                true => Ok(None),
                false => txn::commit(root, &txn, &held).map(Some),
            }
        })
        .await?;
        outcome.ok_or(StoreError::LeaseLost)
    }

    async fn lost(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    fn rest(&self) -> Duration {
        if *self.closed.borrow() { Duration::ZERO } else { Duration::MAX }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.closed.send_replace(true);
        let held = Arc::clone(&self.held);
        with(&self.root, Lock::Exclusive, move |root| held.clear(root)).await
    }
}
