//! When files are read again: by themselves when they change, and when somebody asks.
//!
//! Files are looked at every two seconds rather than watched. What watches see depends on how a file
//! is replaced (renamed over, written in place, a symbolic link to a directory that is exchanged as
//! a whole) and on the file system (none see another machine's writes); what a look sees does not,
//! and it costs one stat(2) a file.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// How often to look.
pub const EVERY: Duration = Duration::from_secs(2);
/// How long files have to stay as they are before they are read: who writes a certificate writes its
/// key right before or after.
const SETTLE: Duration = Duration::from_millis(200);

/// Where files stand: whatever happens to one of them makes another stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(BTreeMap<PathBuf, Option<Meta>>);

/// Device, inode, size, and the times of the last write and of the last change in nanoseconds. The
/// time of the change cannot be set, so a file copied with its times is seen, too.
type Meta = (u64, u64, u64, i128, i128);

impl Stamp {
    /// The stamp of `paths`, with symbolic links followed. Blocks.
    pub fn of<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Self {
        let stamp = |path: P| {
            let meta = std::fs::metadata(path.as_ref()).ok().map(|meta| {
                let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
                let written = nanoseconds(meta.mtime(), meta.mtime_nsec());
                let changed = nanoseconds(meta.ctime(), meta.ctime_nsec());
                (meta.dev(), meta.ino(), meta.size(), written, changed)
            });
            (path.as_ref().to_owned(), meta)
        };
        Self(paths.into_iter().map(stamp).collect())
    }
}

/// Something made from files.
pub trait Source: Debug + Send + Sync {
    /// Where its files stand now. Blocks.
    fn stamp(&self) -> Stamp;

    /// Where they stood when they were last read; nothing if reading failed for a reason that may
    /// pass without a change to them.
    fn loaded(&self) -> Option<Stamp>;

    /// Reads them. What cannot be used changes nothing, and is told by the source itself. Blocks.
    fn reload(&self);
}

/// The task that reads sources again.
#[derive(Debug)]
pub struct Reloader {
    sources: Vec<Arc<dyn Source>>,
    every: Duration,
    asked: Arc<Notify>,
    /// What the last look saw of files that changed.
    unsettled: Vec<Option<Stamp>>,
}

impl Reloader {
    /// A reloader of `sources` that looks `every` so often: [`EVERY`] but for tests.
    pub fn new(sources: Vec<Arc<dyn Source>>, every: Duration) -> Self {
        let unsettled = sources.iter().map(|_| None).collect();
        Self { sources, every, asked: Arc::default(), unsettled }
    }

    /// What to notify to have all of them read at once, changed or not.
    pub fn asked(&self) -> Arc<Notify> {
        Arc::clone(&self.asked)
    }

    /// Looks and reads, without an end.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; what is being read is still read to its end.
    pub async fn run(mut self) {
        let asked = self.asked();
        let mut pause = self.every;
        loop {
            let all = tokio::select! {
                () = asked.notified() => true,
                () = sleep(pause) => false,
            };
            let looked = tokio::task::spawn_blocking(move || {
                if all {
                    self.read_all();
                } else {
                    self.look();
                }
                self
            });
            match looked.await {
                Ok(back) => self = back,
                Err(error) => return tracing::error!(%error, "files are not read again any more"),
            }
            let settled = self.unsettled.iter().all(Option::is_none);
            pause = if settled { self.every } else { self.every.min(SETTLE) };
        }
    }

    fn read_all(&mut self) {
        for (source, unsettled) in self.sources.iter().zip(&mut self.unsettled) {
            *unsettled = None;
            source.reload();
        }
    }

    fn look(&mut self) {
        for (source, unsettled) in self.sources.iter().zip(&mut self.unsettled) {
            let now = source.stamp();
            let Some(loaded) = source.loaded() else {
                source.reload();
                continue;
            };
            if now == loaded {
                *unsettled = None;
            } else if unsettled.as_ref() == Some(&now) {
                *unsettled = None;
                source.reload();
            } else {
                *unsettled = Some(now);
            }
        }
    }
}
