//! The lock between readers and writers of all processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::journal;
use super::root::{Root, at};
use crate::store::StoreError;

/// How long to wait for the lock. A writer holds it for a few disk writes; one that was stopped
/// while it held it must not stop everybody else for good.
const PATIENCE: Duration = Duration::from_secs(4);

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// To read: keeps writers out.
    Shared,
    /// To write: keeps everybody out.
    Exclusive,
}

/// Runs `work` on a blocking thread, under the lock and with no transaction half applied.
pub(super) async fn with<T, W>(root: &Arc<Root>, lock: Lock, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce(&Root) -> io::Result<T> + Send + 'static,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let locked = acquire(root, lock, deadline).await.map_err(|e| root.failed(&e))?;
        if lock == Lock::Shared && journal::is_left(root) {
            drop(locked);
            let locked = acquire(root, Lock::Exclusive, deadline).await;
            let locked = locked.map_err(|e| root.failed(&e))?;
            blocking(root, locked, journal::recover).await?;
            continue;
        }
        return blocking(root, locked, move |root| {
            if lock == Lock::Exclusive {
                journal::recover(root)?;
            }
            work(root)
        })
        .await;
    }
}

async fn blocking<T, W>(root: &Arc<Root>, locked: File, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce(&Root) -> io::Result<T> + Send + 'static,
{
    let inner = Arc::clone(root);
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&inner);
        drop(locked);
        done
    });
    let done = done.await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(|e| root.failed(&e))
}

/// Opens the lock file. Reading is enough to lock it, so whoever may read the store may lock it.
fn open(root: &Root, path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            file.set_permissions(root.file_permissions()?)?;
            Ok(file)
        }
        opened => opened,
    }
}

/// Asks again and again, since a thread that waits in the kernel could not be called off.
async fn acquire(root: &Root, lock: Lock, deadline: Instant) -> io::Result<File> {
    let path = root.own("lock");
    root.ensure()?;
    let file = open(root, &path).map_err(|e| at(&path, &e))?;
    loop {
        let tried = match lock {
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(at(&path, &e)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let text = format!("locked by another process for {} s", PATIENCE.as_secs());
                return Err(at(&path, &io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            // Uneven, so that one waiter does not always come right after another one's turn.
            Err(TryLockError::WouldBlock) => {
                sleep(Duration::from_micros(fastrand::u64(200..2_000))).await;
            }
        }
    }
}
