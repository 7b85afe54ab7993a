//! A directory of a test's own.

use std::ops::Deref;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long whoever still writes to a directory may take to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A directory that is gone, with all that is in it, when this is dropped.
///
/// A [`TempDir`] tries to remove itself once. What uses a directory store in the test's own process is
/// aborted rather than ended, may make a file while the others are being removed, and so keep the
/// directory there for ever.
#[derive(Debug)]
pub struct Scratch(Option<TempDir>);

impl Scratch {
    /// A directory whose name begins with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self(Some(TempDir::with_prefix(prefix).unwrap()))
    }

    /// The same in memory.
    pub fn in_memory(prefix: &str) -> Self {
        Self(Some(TempDir::with_prefix_in(prefix, "/dev/shm").unwrap()))
    }
}

impl Deref for Scratch {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(path) = self.0.take().map(TempDir::keep) else { return };
        let deadline = Instant::now() + PATIENCE;
        while std::fs::remove_dir_all(&path).is_err() && path.exists() && Instant::now() < deadline
        {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn spin_until(so: &dyn Fn() -> bool) {
        while !so() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_directory_is_gone_although_somebody_writes_to_it_for_a_while() {
        let scratch = Scratch::new("shunt-scratch-");
        let path = scratch.path().to_owned();
        let ends = AtomicBool::new(false);
        let write = |number: u32| {
            let below = path.join("below");
            let _ = std::fs::create_dir(&below);
            let _ = std::fs::write(below.join(number.to_string()), "");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0;
                while !ends.load(Ordering::Relaxed) {
                    write(number);
                    number += 1;
                }
            });
            spin_until(&|| path.join("below/9").exists());
            scope.spawn(|| drop(scratch));
            spin_until(&|| !path.join("below/9").exists());
            ends.store(true, Ordering::Relaxed);
        });
        assert!(!path.exists());
    }
}
