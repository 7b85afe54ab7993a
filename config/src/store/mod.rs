//! The two stores behind one trait.
//!
//! A store holds small values under keys relative to its prefix. Both stores give the same three
//! guarantees, and one test-suite checks them on both:
//!
//! - a [`Txn`] applies whole or not at all, and a watcher sees it as one [`WatchEvent::Changed`];
//! - every put has a [`Token`] of its own;
//! - a leased key is gone soon after its [`Session`]'s holder is.
//!
//! # Layout
//!
//! - [`txn`]: writes, and what must hold for them
//! - [`watch`]: what a watch tells, and the loop that keeps one going
//! - [`config`]: which store, and how it is reached
//! - `etcd`: etcd v3, for every installation with more than one machine
//! - `directory`: files on one machine

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::strict::Mistake;
use crate::token::Token;

pub mod config;
mod directory;
mod etcd;
mod moment;
pub mod txn;
pub mod watch;

pub use config::StoreConfig;
pub use txn::{Condition, MAX_TXN_OPS, Op, Outcome, Txn};
pub use watch::{Change, Watch, WatchEvent};

/// Life of a lease without a sign of its holder.
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// One key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, relative to the prefix.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Identity of this putting of the value.
    pub token: Token,
    /// Orders keys of one store by when they first came to be; nothing else.
    pub created: u64,
    /// Why the store cannot read what somebody put there; then `value` is empty and means nothing.
    pub fault: Option<Mistake>,
}

impl Entry {
    /// The value as `parse` reads it, or why it cannot be read.
    pub fn parse<T>(&self, parse: impl FnOnce(&[u8]) -> Result<T, Mistake>) -> Result<T, Mistake> {
        match &self.fault {
            None => parse(&self.value),
            Some(fault) => Err(fault.clone()),
        }
    }
}

/// All keys under a prefix at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Identity of the store: etcd's cluster id, or the directory.
    pub store: String,
    /// etcd's revision, or a count of changes; for people, never compared.
    pub revision: u64,
    /// The keys, in order.
    pub entries: BTreeMap<String, Entry>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reached, or no answer in time. Whether a write applied is then unknown.
    #[error("store {store} is not reachable: {reason}")]
    Unreachable {
        /// Which store.
        store: String,
        /// What was tried and what came back.
        reason: String,
    },
    /// It answered, and said no.
    #[error("store {store} refused: {reason}")]
    Refused {
        /// Which store.
        store: String,
        /// What it said.
        reason: String,
    },
    /// The session's lease is gone: its keys are, too.
    #[error("the lease is lost")]
    LeaseLost,
}

/// A store. Every call ends within a few seconds, with an error if need be.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// What a person would call it: `etcd http://10.0.0.2:2379` or `directory /var/lib/shunt/store`.
    fn name(&self) -> String;

    /// All keys under `prefix`, at one moment and not older than this call (linearizable).
    async fn read(&self, prefix: &str) -> Result<View, StoreError>;

    /// Applies `txn` whole or not at all.
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError>;

    /// Begins to watch `prefix`.
    fn watch(&self, prefix: &str) -> Watch;

    /// Begins a session, whose leased keys go within `ttl` after its holder is gone.
    async fn session(&self, ttl: Duration) -> Result<Arc<dyn Session>, StoreError>;
}

/// A lease and the keys that go with it. It is kept alive until it is closed or dropped.
#[async_trait]
pub trait Session: fmt::Debug + Send + Sync {
    /// Applies `txn`, whose leased puts go with this session.
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError>;

    /// Waits until the lease is lost: it could not be kept alive for its TTL.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    async fn lost(&self);

    /// How long the lease is sure to last without another word of the store, by a clock that goes on
    /// while the machine is suspended; zero once it may be gone. A store in which it ends with its
    /// holder alone says [`Duration::MAX`].
    fn rest(&self) -> Duration;

    /// Ends the session; its keys are gone when this returns.
    async fn close(&self) -> Result<(), StoreError>;
}

/// The store that `config` names.
///
/// Nothing is connected or read yet, so it succeeds while the store is down: every call then
/// connects as it needs to. A directory that is not there yet is made by the first call.
pub fn open(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    open_as(config, directory::Directory::new)
}

/// The same for one who only looks: a directory that is not there is an error, and stays so.
pub fn open_to_look(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    open_as(config, directory::Directory::to_look)
}

fn open_as(
    config: &StoreConfig,
    directory: fn(&Path) -> directory::Directory,
) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(mistake) = config.mistakes().into_iter().next() {
        let store = "settings".to_owned();
        return Err(StoreError::Refused { store, reason: mistake.to_string() });
    }
    Ok(match &config.directory {
        Some(path) => Arc::new(directory(path)),
        None => Arc::new(etcd::Etcd::new(config)),
    })
}
