//! Deliveries that were seen, so that none is taken twice. They are remembered by their hashes: what
//! a delivery is known by may be worth something.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::Timestamp;

/// For how long deliveries are remembered that started nothing, in seconds: 90 days. One that started
/// a deploy is remembered for ever, since a signature alone has no date.
const KEPT: i64 = 90 * 24 * 60 * 60;

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
            if (until == 0 || until > now) && hash.len() == 64 {
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
        let inner = self.inner();
        keys.iter().any(|key| inner.seen.contains(&hash(key)))
    }

    /// Remembers a delivery by all that it is known by; for ever if it started something. It is on the
    /// disk when this returns.
    pub(super) fn remember(&self, keys: &[String], started: bool) -> io::Result<()> {
        let until = if started { 0 } else { Timestamp::now().as_second().saturating_add(KEPT) };
        let hashes: Vec<_> = keys.iter().map(|key| hash(key)).collect();
        let mut lines = String::new();
        for hash in &hashes {
            lines.extend([
                &until.to_string(),
                " ",
                hash,
                "
",
            ]);
        }
        let mut inner = self.inner();
        if inner.torn {
            // What comes next would be a part of that line, and be passed over with it at the next start.
            lines.insert(0, '\n');
        }
        inner.torn = true;
        inner.file.write_all(lines.as_bytes())?;
        inner.file.sync_data()?;
        inner.torn = false;
        inner.seen.extend(hashes);
        Ok(())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        replays.remember(&keys("a"), true).unwrap();
        replays.remember(&["b".to_owned(), "c".to_owned()], false).unwrap();
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
    fn what_comes_after_a_line_that_was_cut_off_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deliveries");
        let keys = |name: &str| vec![name.to_owned()];
        let replays = Replays::open(&path).unwrap();
        // A disk that is full for a while: a part is written, and no more.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut replays.inner().file, full);
        replays.remember(&keys("a"), true).unwrap_err();
        assert!(!replays.has(&keys("a")), "whoever sends it is told, and sends it again");
        std::fs::write(&path, "0 abc").unwrap();
        replays.inner().file = file;
        replays.remember(&keys("b"), true).unwrap();
        replays.remember(&keys("c"), true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        drop(replays);
        let replays = Replays::open(&path).unwrap();
        assert!(replays.has(&keys("b")) && replays.has(&keys("c")));
    }
}
