//! Whose the state directory is: one process's at a time.
//!
//! Two that write into it would leave a mixture of both, and each would restart from what the other
//! served.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shunt_config::ProxyName;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::sealed::fnv;

/// The file's name in the state directory. It stays when its holder has gone: who removed it could
/// take it from under the next one.
const FILE: &str = "lock";
/// How long one that has it may take to end: the process before, or one that only looked.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(20);

/// The state directory is this process's own while this is there. The kernel lets go of it when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    // Never read: it is open, and that is all.
    _file: File,
    place: String,
}

/// Why a state directory cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "another process uses it ({holder}): stop that one, or give this one a `[state] directory` \
         of its own, and a `name` of its own if both are to serve"
    )]
    Held {
        /// What the other one said of itself.
        holder: String,
    },
    /// Its file cannot be opened, locked or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl StateLock {
    /// Takes `directory`, which is there, for this process of `proxy`. Waits up to two seconds for a
    /// process that has it to end.
    pub async fn take(directory: &Path, proxy: &ProxyName) -> Result<Self, LockError> {
        let path = directory.join(FILE);
        let wrong = |error| LockError::Io { path: path.clone(), error };
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(wrong)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(wrong(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    return Err(LockError::Held { holder: said(&path) });
                }
                Err(TryLockError::WouldBlock) => sleep(AGAIN).await,
            }
        }
        let about = file.metadata().map_err(wrong)?;
        let line = format!("proxy `{proxy}`, process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(line.as_bytes())).map_err(wrong)?;
        Ok(Self { _file: file, place: place(about.dev(), about.ino()) })
    }

    /// Who has `directory` now, by its own words; nobody where it is not there or cannot be read.
    pub fn holder(directory: &Path) -> Option<String> {
        let path = directory.join(FILE);
        let file = File::open(&path).ok()?;
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| said(&path))
    }

    /// Tells this directory from every other until the machine boots again. A process that was at the
    /// same place before this one has ended.
    pub fn place(&self) -> &str {
        &self.place
    }
}

fn said(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { "it does not say which".to_owned() } else { text.to_owned() }
}

fn place(device: u64, inode: u64) -> String {
    // Numbers of inodes are the same on machines made from one image; this is not.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_else(|_| format!("{:x}", fastrand::u64(..)));
    format!("{:016x}", fnv(format!("{boot} {device} {inode}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_directory_is_one_processs_until_that_ends() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let proxy = "lb1".parse().unwrap();
        assert_eq!(StateLock::holder(here.path()), None);
        let first = StateLock::take(here.path(), &proxy).await.unwrap();
        let said = StateLock::take(here.path(), &proxy).await.unwrap_err().to_string();
        let me = format!("proxy `lb1`, process {}", std::process::id());
        assert!(said.contains(&me), "{said}");
        assert_eq!(StateLock::holder(here.path()), Some(me));
        let other = StateLock::take(there.path(), &proxy).await.unwrap();
        assert_ne!(first.place(), other.place());
        let place = first.place().to_owned();
        // One that waits has it as soon as the other lets go.
        let waits = StateLock::take(here.path(), &proxy);
        let (next, ()) = tokio::join!(waits, async { drop(first) });
        assert_eq!(next.unwrap().place(), place);
        assert_eq!(StateLock::holder(here.path()), None);
    }
}
