//! Deliveries that were seen, so that none is taken twice. They are remembered by their hashes: what
//! a delivery is known by may be worth something.
//!
//! One that starts a run is named by that run's own file as well, which is written first and as a whole.
//! So a delivery is never remembered without its run, nor is a run ever there whose delivery is not.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use tracing::warn;

/// For how long deliveries are remembered that started nothing, in seconds: 90 days. One that started
/// a deploy is remembered for ever, since a signature alone has no date.
const KEPT: i64 = 90 * 24 * 60 * 60;

/// Until when the others are remembered.
const FOR_EVER: i64 = 0;

/// Deliveries that were seen.
#[derive(Debug)]
pub(super) struct Replays {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    seen: BTreeSet<String>,
    file: File,
    /// Whether a write has failed, and may have left a part of a line.
    torn: bool,
}

impl Replays {
    /// Those in the file at `path`, which is made if there is none. What is out of date is left out.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        match File::open(path) {
            Ok(mut file) => drop(file.read_to_string(&mut text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let now = Timestamp::now().as_second();
        let mut lines = String::new();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            // A line that was cut off by a crash was not answered yet either.
            let Some((until, hash)) = line.split_once(' ') else { continue };
            let Ok(until) = until.parse::<i64>() else { continue };
            if (until == FOR_EVER || until > now) && hash.len() == 64 {
                lines.push_str(line);
                lines.push('\n');
                seen.insert(hash.to_owned());
            }
        }
        super::desk::replace(path, lines.as_bytes())?;
        let file = OpenOptions::new().append(true).mode(0o600).open(path)?;
        Ok(Self { inner: Mutex::new(Inner { seen, file, torn: false }) })
    }

    /// Whether this delivery was seen before, by any of what it is known by.
    pub(super) fn has(&self, keys: &[String]) -> bool {
        self.inner().has(&hashes(keys))
    }

    /// Remembers deliveries that started runs, by the hashes that are with those runs.
    pub(super) fn learn(&self, hashes: impl IntoIterator<Item = String>) -> io::Result<()> {
        let mut inner = self.inner();
        let new: Vec<_> = hashes.into_iter().filter(|hash| !inner.seen.contains(hash)).collect();
        if new.is_empty() { Ok(()) } else { inner.remember(new, FOR_EVER) }
    }

    /// Starts what a delivery asks for, given its hashes, and remembers it for ever by all that it is
    /// known by; `None` where it was seen before. What could not be started may come again.
    pub(super) fn start<T>(
        &self,
        keys: &[String],
        start: impl FnOnce(Vec<String>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        // Held all the time, so that of two that come at once one is the second.
        let (mut inner, hashes) = (self.inner(), hashes(keys));
        if inner.has(&hashes) {
            return Ok(None);
        }
        let started = start(hashes.clone())?;
        if let Err(error) = inner.remember(hashes, FOR_EVER) {
            warn!("a delivery is remembered by its run alone: {error}");
        }
        Ok(Some(started))
    }

    /// Remembers a delivery that started nothing. It is on the disk when this returns.
    pub(super) fn remember(&self, keys: &[String]) -> io::Result<()> {
        let until = Timestamp::now().as_second().saturating_add(KEPT);
        self.inner().remember(hashes(keys), until)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has(&self, hashes: &[String]) -> bool {
        hashes.iter().any(|hash| self.seen.contains(hash))
    }

    /// As long as this process runs, whatever the disk says to it.
    fn remember(&mut self, hashes: Vec<String>, until: i64) -> io::Result<()> {
        let lines: Vec<_> = hashes.iter().map(|hash| format!("{until} {hash}\n")).collect();
        let mut lines = lines.concat();
        self.seen.extend(hashes);
        if self.torn {
            // What comes next would be a part of that line, and be passed over with it at the next start.
            lines.insert(0, '\n');
        }
        self.torn = true;
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        Ok(())
    }
}

fn hashes(keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| hash(key)).collect()
}

fn hash(key: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, key.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_after_a_restart_and_what_is_out_of_date_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deliveries");
        let keys = |name: &str| vec![name.to_owned()];
        let replays = Replays::open(&path).unwrap();
        assert!(!replays.has(&keys("a")));
        assert!(replays.start(&keys("a"), |_| Ok(())).unwrap().is_some());
        replays.remember(&["b".to_owned(), "c".to_owned()]).unwrap();
        assert!(replays.has(&keys("a")) && replays.has(&keys("c")));
        drop(replays);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}12 {}\n0 cut of", hash("old"))).unwrap();
        let replays = Replays::open(&path).unwrap();
        assert!(replays.has(&keys("a")) && replays.has(&keys("b")) && replays.has(&keys("c")));
        assert!(!replays.has(&keys("old")) && !replays.has(&keys("d")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_delivery_whose_run_could_not_be_started_may_come_again_and_one_that_started_one_may_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deliveries");
        let replays = Replays::open(&path).unwrap();
        let keys = vec!["a".to_owned(), "b".to_owned()];
        let full = |_| Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull));
        assert!(replays.start(&keys, full).is_err() && !replays.has(&keys));
        let named = replays.start(&keys, Ok).unwrap().unwrap();
        assert_eq!(named.len(), 2);
        let again = replays.start(&keys, |_| -> io::Result<()> { panic!("it was here") }).unwrap();
        assert!(again.is_none());
        // Known by its run, although nothing else of it came to the disk.
        drop(replays);
        std::fs::remove_file(&path).unwrap();
        let replays = Replays::open(&path).unwrap();
        assert!(!replays.has(&keys));
        replays.learn(named).unwrap();
        assert!(replays.has(&keys[1..]) && Replays::open(&path).unwrap().has(&keys));
    }

    #[test]
    fn what_comes_after_a_line_that_was_cut_off_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deliveries");
        let keys = |name: &str| vec![name.to_owned()];
        let replays = Replays::open(&path).unwrap();
        // A disk that is full for a while: a part is written, and no more.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut replays.inner().file, full);
        replays.remember(&keys("a")).unwrap_err();
        std::fs::write(&path, "0 abc").unwrap();
        replays.inner().file = file;
        replays.remember(&keys("b")).unwrap();
        replays.remember(&keys("c")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        drop(replays);
        let replays = Replays::open(&path).unwrap();
        assert!(replays.has(&keys("b")) && replays.has(&keys("c")));
    }
}
