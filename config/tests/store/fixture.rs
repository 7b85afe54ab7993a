//! A store of the test's own, and an operator's hands on it.

use std::path::PathBuf;
use std::sync::Arc;

use e2e::Scratch;
use e2e::etcd::Setup;
use shunt_config::store::{self, Store, StoreConfig, Txn};
use shunt_config::token::Token;

/// One store.
pub(crate) enum Fixture {
    Etcd(e2e::Etcd),
    Directory(Scratch),
}

impl Fixture {
    pub(crate) async fn etcd() -> Self {
        Self::Etcd(e2e::Etcd::with(1, Setup::default()).await)
    }

    pub(crate) fn directory() -> Self {
        Self::Directory(Scratch::new("shunt-store-"))
    }

    /// The same store, but a directory in memory: for promises that have nothing to do with the
    /// disk and would wait for it thousands of times.
    pub(crate) fn in_memory(self) -> Self {
        match self {
            Self::Etcd(etcd) => Self::Etcd(etcd),
            Self::Directory(_) => Self::Directory(Scratch::in_memory("shunt-store-")),
        }
    }

    /// What a flag of a program would say.
    pub(crate) fn flag(&self) -> String {
        match self {
            Self::Etcd(etcd) => etcd.endpoints().join(","),
            Self::Directory(_) => self.path("").to_str().unwrap().to_owned(),
        }
    }

    /// A handle of its own, as another process would have.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        open(&self.flag().parse().unwrap())
    }

    /// The file of `key`.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        let Self::Directory(directory) = self else { panic!("etcd has no files") };
        directory.path().join("store").join(key)
    }

    /// Puts by hand: `etcdctl put`, or `echo … >`.
    pub(crate) async fn puts(&self, key: &str, value: &str) {
        match self {
            Self::Etcd(etcd) => etcd.put(&format!("/shunt/{key}"), &format!("{value}\n")).await,
            Self::Directory(_) => {
                std::fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
                let echo = format!("echo '{value}' > '{}'", self.path(key).display());
                e2e::process::tool("sh", &["-c", &echo]).await;
            }
        }
    }

    /// Deletes by hand: `etcdctl del`, or `rm`.
    pub(crate) async fn deletes(&self, key: &str) {
        match self {
            Self::Etcd(etcd) => etcd.delete(&format!("/shunt/{key}")).await,
            Self::Directory(_) => std::fs::remove_file(self.path(key)).unwrap(),
        }
    }
}

pub(crate) fn open(config: &StoreConfig) -> Arc<dyn Store> {
    store::open(config).unwrap()
}

/// Commits `txn`, which must apply.
pub(crate) async fn commits(store: &Arc<dyn Store>, txn: Txn) {
    let outcome = store.commit(txn).await.unwrap();
    assert_ne!(outcome, store::Outcome::Refused);
}

/// Puts one key and returns its token.
pub(crate) async fn put(store: &Arc<dyn Store>, key: &str, value: &str) -> Token {
    let outcome = store.commit(Txn::new().put(key, value.to_owned())).await.unwrap();
    outcome.token(key).unwrap()
}

/// The value of `key`, as text.
pub(crate) async fn value(store: &Arc<dyn Store>, key: &str) -> Option<String> {
    let view = store.read(key).await.unwrap();
    view.entries.get(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}
