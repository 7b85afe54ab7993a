//! How many connections there may be: as many of clients as are allowed, and as file descriptors last for.
//!
//! Descriptors are what everything here is made of. If clients took the last one, requests could not
//! be sent to targets, the store could not be read, and nobody could look why. So before that the
//! connection that has been idle for longest goes; where none is idle, accepting stops, and who
//! connects waits in the kernel's queue until another one leaves.
//!
//! Connections to targets have a share of their own, for few clients of HTTP/2 can ask for many. Neither
//! takes what is the other's: a client that has come in is not ended for requests of others.

use std::fs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::per_address::PerAddress;
use crate::descriptors::{Place, Places};

/// How often it is said that there is no room.
const AGAIN: Duration = Duration::from_mins(1);
/// What a data thread needs for itself before its first connection.
const PER_THREAD: u64 = 6;
/// What is kept for the store, health checks, the admin listener and files.
const RESERVE: std::ops::RangeInclusive<u64> = 16..=1024;
/// There is always room for some.
const LEAST: u64 = 4;

/// How many connections there may be, and how many there are.
#[derive(Debug)]
pub struct Room {
    clients: Arc<Places>,
    targets: Arc<Places>,
    pauses: AtomicU64,
    /// Threads that wait for room.
    waiting: AtomicUsize,
    per_address: Option<Arc<PerAddress>>,
    said: Mutex<Option<Instant>>,
}

impl Room {
    /// Room for `most` clients, and for twice as many connections to targets: each may need one, and as
    /// many are kept.
    pub fn of(most: usize) -> Self {
        let (clients, targets) = (Places::of(most), Places::of(most.saturating_mul(2)));
        let (pauses, waiting, per_address, said) = Default::default();
        Self { clients, targets, pauses, waiting, per_address, said }
    }

    /// The same, for no more than `most` clients.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { clients: Places::of(self.most().min(most)), ..self }
    }

    /// The same, for `most` connections to targets.
    #[must_use]
    pub fn for_targets(self, most: usize) -> Self {
        Self { targets: Places::of(most), ..self }
    }

    /// Room for as many as a limit of `descriptors` (`None`: no limit) leaves to `threads` data
    /// threads: a third of what is not in use or reserved for clients, the rest for targets.
    pub fn within(descriptors: Option<u64>, threads: usize) -> Self {
        let Some(limit) = descriptors else { return Self::of(usize::MAX) };
        let open = fs::read_dir("/proc/self/fd").map_or(64, |all| all.count() as u64);
        Self::of(
            usize::try_from(share(limit, open + threads as u64 * PER_THREAD)).unwrap_or(usize::MAX),
        )
    }

    /// How many clients there may be.
    pub fn most(&self) -> usize {
        self.clients.most()
    }

    /// How many connections to targets there may be.
    pub fn most_targets(&self) -> usize {
        self.targets.most()
    }

    /// How many connections to targets there are, kept ones among them.
    pub fn targets(&self) -> usize {
        self.targets.taken()
    }

    /// The share of connections to targets.
    pub(super) fn target_places(&self) -> &Arc<Places> {
        &self.targets
    }

    /// How often a thread had to stop accepting.
    pub fn pauses(&self) -> u64 {
        self.pauses.load(Relaxed)
    }

    /// The same, for no more than `most` of one address; 0 for any number.
    #[must_use]
    pub fn per_client(self, most: u32) -> Self {
        Self { per_address: (most > 0).then(|| Arc::new(PerAddress::new(most))), ..self }
    }

    /// Who counts the connections of each address, if anybody does.
    pub(super) fn per_address(&self) -> Option<&Arc<PerAddress>> {
        self.per_address.as_ref()
    }

    /// Whether no more may come.
    pub(super) fn is_full(&self) -> bool {
        self.clients.is_full()
    }

    /// Takes a place. There may be one more for each thread than [`Self::most`]: two may see the last
    /// one free.
    pub(super) fn take(&self) -> Place {
        self.clients.take()
    }

    /// Whether a thread waits for room: every other is to make some if it can.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Relaxed) > 0 && self.is_full()
    }

    /// Says that a thread has stopped accepting, until what this returns is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(self)
    }

    /// Counts that a thread stops accepting; returns whether that is to be said.
    pub(super) fn pause(&self) -> bool {
        self.pauses.fetch_add(1, Relaxed);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = said.is_some_and(|at| at.elapsed() < AGAIN);
        if !lately {
            *said = Some(Instant::now());
        }
        !lately
    }
}

/// A thread that waits for room.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a Room);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

fn share(limit: u64, used: u64) -> u64 {
    let reserve = (limit / 8).clamp(*RESERVE.start(), *RESERVE.end());
    (limit.saturating_sub(used + reserve) / 3).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_a_third_of_what_is_neither_used_nor_reserved() {
        assert_eq!(share(1024, 40), (1024 - 40 - 128) / 3);
        assert_eq!(share(1 << 20, 76), ((1 << 20) - 76 - 1024) / 3);
        assert_eq!(share(64, 60), LEAST);
        assert_eq!(share(0, 60), LEAST);
        assert_eq!(Room::within(None, 2).most(), usize::MAX);
        let room = Room::of(10).at_most(3);
        assert_eq!((room.most(), room.most_targets()), (3, 20), "the rest of them is theirs");
    }

    #[test]
    fn room_that_is_left_is_room_again_and_the_want_of_it_is_said_once() {
        let room = Arc::new(Room::of(2));
        let first = room.take();
        assert!(!room.is_full());
        let _second = room.take();
        assert!(room.is_full());
        assert!(room.pause() && !room.pause());
        assert_eq!(room.pauses(), 2);
        drop(first);
        assert!(!room.is_full());
    }
}
