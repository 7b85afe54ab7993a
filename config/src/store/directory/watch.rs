//! The loop that turns what changed on disk into events.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::lock::{Lock, with};
use super::root::Root;
use super::scan::Scanner;
use super::txn;
use crate::store::watch::{Feed, Follow};
use crate::store::{Change, StoreError, WatchEvent};

/// How often to look whether the holders of leased keys live, what could not be read can be, and the
/// directory is in its place.
const CHECK: Duration = Duration::from_secs(1);
/// How soon to look again at a lease whose file was just written or closed.
const SOON: Duration = Duration::from_millis(20);

/// One watch.
#[derive(Debug)]
pub(super) struct Source {
    root: Arc<Root>,
    prefix: String,
}

impl Source {
    pub(super) fn new(root: &Arc<Root>, prefix: &str) -> Self {
        Self { root: Arc::clone(root), prefix: prefix.to_owned() }
    }

    async fn begin(&self) -> Result<Scanner, StoreError> {
        let prefix = self.prefix.clone();
        with(&self.root, Lock::Shared, move |root| Scanner::new(root, &prefix)).await
    }

    /// Lends the scanner to a blocking thread, with the lock held.
    async fn look<W>(&self, scanner: Scanner, work: W) -> Result<(Scanner, Vec<Change>), StoreError>
    where
        W: FnOnce(&mut Scanner, &Root) -> io::Result<Vec<Change>> + Send + 'static,
    {
        let mut scanner = scanner;
        with(&self.root, Lock::Shared, move |root| {
            work(&mut scanner, root).map(|changes| (scanner, changes))
        })
        .await
    }

    /// Clears away what dead holders left. Failing to is no loss: nobody takes it for a key.
    async fn reap(&self, dead: Vec<String>) {
        if !dead.is_empty() {
            let done = with(&self.root, Lock::Exclusive, move |root| txn::reap(root, &dead)).await;
            if let Err(e) = done {
                tracing::debug!(error = %e, "cannot clear away the files of a dead holder");
            }
        }
    }

    async fn try_follow(&self, feed: &mut Feed) -> Result<(), StoreError> {
        let mut scanner = self.begin().await?;
        feed.send(WatchEvent::Full(self.root.view(scanner.entries()))).await;
        let mut check = Instant::now() + CHECK;
        let mut confirm = check + CHECK;
        loop {
            self.reap(scanner.take_dead()).await;
            if scanner.look_again {
                check = check.min(Instant::now() + SOON);
            }
            let due = tokio::select! {
                ready = scanner.wait() => {
                    ready.map_err(|e| self.root.failed(&e))?;
                    false
                }
                () = sleep_until(check) => true,
            };
            let changes;
            (scanner, changes) = self
                .look(scanner, move |scanner, root| {
                    let mut changes = Vec::new();
                    if due {
                        scanner.check_root(root)?;
                        changes = scanner.check_known(root)?;
                    }
                    changes.extend(scanner.changes(root)?);
                    Ok(changes)
                })
                .await?;
            if due {
                check = Instant::now() + CHECK;
            }
            if !changes.is_empty() {
                self.root.counted();
                feed.send(WatchEvent::Changed(changes)).await;
            }
            if Instant::now() >= confirm {
                confirm = Instant::now() + 2 * CHECK;
                feed.send(WatchEvent::Confirmed).await;
            }
        }
    }
}

impl Follow for Source {
    async fn follow(&self, feed: &mut Feed) -> String {
        match self.try_follow(feed).await {
            Ok(()) => "the watch ended".to_owned(),
            Err(e) => e.to_string(),
        }
    }

    fn what(&self) -> String {
        format!("{} in {}", self.prefix, self.root.name())
    }
}
