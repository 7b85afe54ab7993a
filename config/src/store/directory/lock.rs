//! The lock between readers and writers of all processes.
//!
//! Waiting is asking again and again: a thread that waited in the kernel could not be called off,
//! and a writer that was stopped must not stop everybody else.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::journal;
use super::root::{Root, at};
use crate::store::StoreError;

/// How long to wait for the lock. A writer holds it for a few disk writes; one that was stopped
/// while it held it must not stop everybody else for good.
const PATIENCE: Duration = Duration::from_secs(4);

/// Between two attempts at the lock.
const PAUSE: Duration = Duration::from_micros(200);

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// To read: keeps writers out.
    Shared,
    /// To write: keeps everybody out.
    Exclusive,
}

/// Runs `work` on a blocking thread, under the lock and with no transaction half applied.
///
/// # Cancel safety
///
/// `work` is done whether its outcome is waited for or not.
pub(super) async fn with<T, W>(root: &Arc<Root>, lock: Lock, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce(&Root) -> io::Result<T> + Send + 'static,
{
    let deadline = Instant::now() + PATIENCE;
    // A few at a time: more of them would only keep each other, and blocking threads, busy.
    let turn = timeout_at(deadline.into(), Arc::clone(&root.turns).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(root.failed(&late(&root.own("lock"))));
    };
    let inner = Arc::clone(root);
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let _locked = acquire(&inner, lock, deadline)?;
        work(&inner)
    });
    let done = done.await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(|e| root.failed(&e))
}

/// Takes the lock and finishes what a dead writer began.
fn acquire(root: &Root, lock: Lock, deadline: Instant) -> io::Result<File> {
    loop {
        let locked = take(root, lock, deadline)?;
        match lock {
            Lock::Shared if journal::is_left(root) => {
                // Finishing is writing. Somebody else may write before the next turn of the loop.
                drop(locked);
                let _locked = take(root, Lock::Exclusive, deadline)?;
                journal::recover(root)?;
            }
            Lock::Shared => return Ok(locked),
            Lock::Exclusive => return journal::recover(root).map(|()| locked),
        }
    }
}

/// Takes the lock.
fn take(root: &Root, lock: Lock, deadline: Instant) -> io::Result<File> {
    let path = root.own("lock");
    loop {
        root.ensure()?;
        let file = match open(root, &path) {
            // Nobody has ever written here but by hand, which takes no lock: its directory does.
            Err(e) if root.looks && lock == Lock::Shared && e.kind() == io::ErrorKind::NotFound => {
                return File::open(root.path(""));
            }
            opened => opened.map_err(|e| at(&path, &e))?,
        };
        let tried = match lock {
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        match tried {
            // A lock on a file that somebody removed keeps nobody out.
            Ok(()) if is_at(&file, &path) => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(at(&path, &e)),
        }
        if Instant::now() >= deadline {
            return Err(late(&path));
        }
        #[expect(clippy::disallowed_methods, reason = "on a thread for work that blocks")]
        // Uneven, so that no waiter is always a little later than another.
        std::thread::sleep(PAUSE.mul_f64(0.5 + fastrand::f64()));
    }
}

fn late(path: &Path) -> io::Error {
    let text = format!("locked by another process for {} s", PATIENCE.as_secs());
    at(path, &io::Error::new(io::ErrorKind::TimedOut, text))
}

/// Opens the lock file. Reading is enough to lock it, so whoever may read the store may lock it.
fn open(root: &Root, path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && !root.looks => {
            match root.create(path, 0) {
                // Somebody else was first.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => File::open(path),
                created => created,
            }
        }
        opened => opened,
    }
}

/// Whether `path` still names `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let inode = |meta: io::Result<Metadata>| meta.map(|meta| meta.ino()).ok();
    inode(file.metadata()).is_some_and(|ino| inode(fs::metadata(path)) == Some(ino))
}
