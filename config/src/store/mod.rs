//! The two stores behind one trait.
//!
//! A store holds small values under keys relative to its prefix. Both stores give the same three
//! guarantees, and one test-suite checks them on both:
//!
//! - a [`Txn`] applies whole or not at all, and a watcher sees it as one [`WatchEvent::Changed`];
//! - every put has a [`Token`] of its own;
//! - a leased key is gone soon after its [`Session`]'s holder is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::strict::Mistake;
use crate::token::Token;

/// Life of a lease without a sign of its holder.
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// etcd's default limit of operations in one transaction (`--max-txn-ops`).
pub const MAX_TXN_OPS: usize = 128;

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

/// What must hold for a [`Txn`] to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent(String),
    /// The key exists, whatever its value.
    Exists(String),
    /// The key's present value is this very putting.
    Is(String, Token),
    /// The key's present value is these bytes.
    Value(String, Bytes),
}

/// One write of a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Puts a durable value.
    Put(String, Bytes),
    /// Puts a value that goes with the session; only through [`Session::commit`].
    PutLeased(String, Bytes),
    /// Deletes a key; nothing happens if it does not exist.
    Delete(String),
}

/// Writes that apply together if all conditions hold. No key may be written twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold.
    pub when: Vec<Condition>,
    /// What is then written; at most [`MAX_TXN_OPS`].
    pub then: Vec<Op>,
}

impl Txn {
    /// An unconditional, empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when.push(condition);
        self
    }

    /// Adds a durable put.
    #[must_use]
    pub fn put(mut self, key: impl fmt::Display, value: impl Into<Bytes>) -> Self {
        self.then.push(Op::Put(key.to_string(), value.into()));
        self
    }

    /// Adds a leased put.
    #[must_use]
    pub fn put_leased(mut self, key: impl fmt::Display, value: impl Into<Bytes>) -> Self {
        self.then.push(Op::PutLeased(key.to_string(), value.into()));
        self
    }

    /// Adds a delete.
    #[must_use]
    pub fn delete(mut self, key: impl fmt::Display) -> Self {
        self.then.push(Op::Delete(key.to_string()));
        self
    }
}

/// What became of a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the new tokens of the keys it put.
    Committed(BTreeMap<String, Token>),
    /// A condition did not hold; nothing was written.
    Refused,
}

impl Outcome {
    /// The new token of `key`, if the transaction applied and put it.
    pub fn token(&self, key: impl fmt::Display) -> Option<Token> {
        match self {
            Self::Committed(tokens) => tokens.get(&key.to_string()).cloned(),
            Self::Refused => None,
        }
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A value was put.
    Put(Entry),
    /// The key is gone.
    Deleted(String),
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// The whole prefix as it stands: first, and after every time contact was lost.
    Full(View),
    /// All changes of one revision.
    Changed(Vec<Change>),
    /// Nothing new, and the store was just proved to be in touch (at least every 5 s).
    Confirmed,
    /// Contact is lost, and why; the watch goes on trying and answers with `Full`.
    Lost(String),
}

/// A watch on a prefix. It never ends by itself; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
}

impl Watch {
    /// A watch fed by the returned sender.
    pub fn channel() -> (mpsc::Sender<WatchEvent>, Self) {
        let (sender, events) = mpsc::channel(64);
        (sender, Self { events })
    }

    /// The next event; `None` only when the store itself is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses no event.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }
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

    /// Ends the session; its keys are gone when this returns.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Which store, as both programs' files and flags say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// etcd endpoints, `http://10.0.0.2:2379`; empty for the directory store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd: Vec<String>,
    /// The directory store's path; absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Prefix of all keys in etcd.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// etcd user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File with the etcd user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// CA that signed etcd's certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Client certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

fn default_prefix() -> String {
    "/shunt".to_owned()
}

impl StoreConfig {
    /// The directory store at `path`.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self { directory: Some(path.into()), ..Self::etcd([]) }
    }

    /// etcd at `endpoints`, without TLS or password.
    pub fn etcd(endpoints: impl IntoIterator<Item = String>) -> Self {
        Self {
            etcd: endpoints.into_iter().collect(),
            directory: None,
            prefix: default_prefix(),
            user: None,
            password_file: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }

    /// Checks what the types alone do not; all mistakes.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        match (&self.directory, self.etcd.is_empty()) {
            (Some(_), false) => found.push("name `etcd` or `directory`, not both".to_owned()),
            (None, true) => found.push("name `etcd` or `directory`".to_owned()),
            (Some(path), true) if !path.is_absolute() => {
                found.push(format!("`directory`: `{}` is not absolute", path.display()));
            }
            _ => {}
        }
        for endpoint in &self.etcd {
            let rest =
                endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
            if rest.is_none_or(|rest| rest.parse::<crate::Address>().is_err()) {
                found.push(format!("`etcd`: `{endpoint}` is not `http(s)://host:port`"));
            }
        }
        if !self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            let said = "begins with a slash and does not end with one";
            found.push(format!("`prefix`: `{}`: a prefix {said}", self.prefix));
        }
        if self.user.is_some() != self.password_file.is_some() {
            found.push("`user` and `password_file` go together".to_owned());
        }
        if self.certificate.is_some() != self.key.is_some() {
            found.push("`certificate` and `key` go together".to_owned());
        }
        found.into_iter().map(Mistake::new).collect()
    }
}

impl FromStr for StoreConfig {
    type Err = Mistake;

    /// From what a flag or variable says: `http://10.0.0.2:2379,http://10.0.0.3:2379` or `/path`.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let config = match text.starts_with('/') {
            true => Self::directory(text),
            false => Self::etcd(text.split(',').map(|part| part.trim().to_owned())),
        };
        match config.mistakes().into_iter().next() {
            Some(mistake) => Err(mistake),
            None => Ok(config),
        }
    }
}
