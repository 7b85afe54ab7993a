//! How many file descriptors this process may have, and who has a share of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// A share of the descriptors, a place for each.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: AtomicUsize,
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    /// A share of `most`.
    pub(crate) fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    /// How many there are.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Whether none is left.
    pub(crate) fn is_full(&self) -> bool {
        self.taken() >= self.most
    }

    /// Takes a place, if need be one more than there are.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Relaxed);
        Place(Arc::clone(self))
    }

    /// Takes a place if one is left.
    pub(crate) fn take_free(self: &Arc<Self>) -> Option<Place> {
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

/// The error of a process, or a machine, that has no descriptor left.
pub(crate) fn none_left() -> io::Error {
    Errno::MFILE.into()
}

/// Whether `error` is one of those.
pub(crate) fn is_none_left(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Raises the limit as far as this process may by itself, and returns it; `None` if there is none.
///
/// The soft limit is small for the sake of programs that use select(2); this one does not.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!("the limit of file descriptors stays {:?}: {error}", limit.current);
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_left_is_free_again() {
        let places = Places::of(1);
        let first = places.take_free().unwrap();
        assert!(places.is_full() && places.take_free().is_none());
        let more = places.take();
        assert_eq!(places.taken(), 2);
        drop(first);
        assert!(places.take_free().is_none());
        drop(more);
        assert!(places.take_free().is_some());
    }

    #[test]
    fn no_other_error_is_taken_for_a_want_of_descriptors() {
        assert!(is_none_left(&none_left()) && is_none_left(&Errno::NFILE.into()));
        assert!(!is_none_left(&Errno::CONNREFUSED.into()));
        assert!(!is_none_left(&io::Error::other("too many open files")));
    }
}
