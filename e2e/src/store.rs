//! The two stores, as an operator uses them: `etcdctl put`, and `echo >`.

use std::path::{Path, PathBuf};

use crate::{Etcd, Scratch};

/// Prefix of all keys in etcd.
const PREFIX: &str = "/shunt";

/// A store, and whoever writes to it by hand. Keys are relative to the prefix: `apps/web/active`.
#[derive(Debug)]
pub enum Store {
    /// A directory.
    Directory(Scratch),
    /// etcd.
    Etcd(Etcd),
}

impl Store {
    /// An empty directory.
    pub fn directory() -> Self {
        Self::Directory(Scratch::new("shunt-store-"))
    }

    /// A single etcd server.
    pub async fn etcd() -> Self {
        Self::Etcd(Etcd::single().await)
    }

    /// The `[store]` section that names it.
    pub fn section(&self) -> String {
        match self {
            Self::Directory(path) => format!("[store]\ndirectory = '{}'\n", path.path().display()),
            Self::Etcd(etcd) => format!("[store]\netcd = {:?}\n", etcd.endpoints()),
        }
    }

    /// What `--store` or `SHUNT_STORE` names it by.
    pub fn flag(&self) -> String {
        match self {
            Self::Directory(path) => path.path().display().to_string(),
            Self::Etcd(etcd) => etcd.endpoints().join(","),
        }
    }

    /// Puts a value.
    pub async fn put(&self, key: &str, value: impl AsRef<[u8]>) {
        match self {
            Self::Directory(root) => {
                let path = path(root.path(), key);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, value).unwrap();
            }
            Self::Etcd(etcd) => etcd.put(&format!("{PREFIX}/{key}"), value.as_ref()).await,
        }
    }

    /// Deletes a key, or all below it if it ends with a slash.
    pub async fn delete(&self, key: &str) {
        match self {
            Self::Directory(root) => {
                let path = path(root.path(), key);
                match path.is_dir() {
                    true => std::fs::remove_dir_all(path).unwrap(),
                    false => std::fs::remove_file(path).unwrap(),
                }
            }
            Self::Etcd(etcd) => etcd.delete(&format!("{PREFIX}/{key}")).await,
        }
    }

    /// The value of a key.
    pub async fn get(&self, key: &str) -> Option<String> {
        match self {
            Self::Directory(root) => std::fs::read_to_string(path(root.path(), key)).ok(),
            Self::Etcd(etcd) => etcd.get(&format!("{PREFIX}/{key}")).await,
        }
    }

    /// The keys below `prefix` (`apps/web/history/`), in order.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        match self {
            Self::Directory(root) => {
                let mut found = Vec::new();
                collect(root.path(), &path(root.path(), prefix), &mut found);
                found.sort();
                found
            }
            Self::Etcd(etcd) => {
                let all = format!("{PREFIX}/{prefix}");
                let listed = etcd.ctl(&["get", "--prefix", "--keys-only", "--", &all]).await;
                let start = format!("{PREFIX}/");
                listed
                    .lines()
                    .filter_map(|key| key.strip_prefix(&start))
                    .map(str::to_owned)
                    .collect()
            }
        }
    }

    /// The etcd servers, to do to them what etcd servers suffer.
    pub fn servers(&mut self) -> &mut Etcd {
        match self {
            Self::Etcd(etcd) => etcd,
            Self::Directory(_) => panic!("a directory has no servers"),
        }
    }
}

fn path(root: &Path, key: &str) -> PathBuf {
    root.join(key.trim_end_matches('/'))
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => collect(root, &path, found),
            false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
        }
    }
}
