//! The directory store: the embedded default for one machine.
//!
//! A key is a file of the same relative path, its value the file's content, so that
//! `echo green > apps/web/active` is a flip. Names with a leading dot are no keys.
//!
//! - **Writing.** A value is written to a temporary file, synced, and renamed over its key. A
//!   transaction of several keys is first written to a journal, which the next reader or writer
//!   replays if the writer died half way: see [`txn`] and [`journal`].
//! - **Reading** takes a shared lock, writing an exclusive one, below `.shunt/`: see [`lock`].
//!   An operator's `echo` takes none and needs none: it writes one key.
//! - **Leased keys** are files on which their holder keeps a lock of its own, which the kernel
//!   releases when the holder dies, however it dies. What tells them from other files is the sticky
//!   bit, which means nothing else on a file: it travels with the inode through the rename, and the
//!   key's path stays the one an operator would `cat`. See [`file`].
//! - **Watching** is inotify, and reacts to what is finished only: close after writing, rename,
//!   removal. A file that is still being written is not looked at. See [`scan`].
//!
//! A file that cannot be read, and a symbolic link, is a key whose value is a mistake: see [`fault`].
//!
//! Two puts of the same text by `echo` within one tick of the kernel's clock (4 ms or less) leave
//! the same inode, time and content behind and cannot be told apart; puts through this store can.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

mod fault;
mod file;
mod journal;
mod lock;
mod root;
mod scan;
mod session;
mod txn;
mod watch;

use self::lock::{Lock, with};
use self::root::Root;
use self::session::Held;
use super::{Outcome, Session, Store, StoreError, Txn, View, Watch};

/// The directory store; see the module.
#[derive(Debug)]
pub(super) struct Directory {
    root: Arc<Root>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self { root: Arc::new(Root::new(path)) }
    }

    /// The same, but nothing is made that is not there.
    pub(super) fn to_look(path: &Path) -> Self {
        let mut root = Root::new(path);
        root.looks = true;
        Self { root: Arc::new(root) }
    }
}

#[async_trait]
impl Store for Directory {
    fn name(&self) -> String {
        self.root.name()
    }

    async fn read(&self, prefix: &str) -> Result<View, StoreError> {
        let prefix = prefix.to_owned();
        let entries = with(&self.root, Lock::Shared, move |root| {
            let mut found = file::walk(root, "", &prefix, &mut |_| Ok(()))?;
            found.retain(|_, found| !found.dead);
            Ok(found.into_iter().map(|(key, found)| (key, found.entry)).collect())
        })
        .await?;
        Ok(self.root.view(entries))
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.root.check(&txn, false)?;
        with(&self.root, Lock::Exclusive, move |root| txn::commit(root, &txn, &Held::default()))
            .await
    }

    fn watch(&self, prefix: &str) -> Watch {
        super::watch::start(watch::Source::new(&self.root, prefix))
    }

    /// The TTL has no part in it: the kernel knows when the holder is gone.
    async fn session(&self, _ttl: Duration) -> Result<Arc<dyn Session>, StoreError> {
        Ok(Arc::new(session::DirectorySession::new(&self.root)))
    }
}
