//! The leases claimed on one epoch, and its end.
//!
//! There is no uncounted request: a claim adds to its count and *then* looks whether the epoch is
//! closed; closing sets the mark and *then* reads the counts. With sequentially consistent order on
//! all four, either the closer sees the lease or the claim sees the mark.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

use super::epoch::MAX_SHARES;

/// The leases claimed on one epoch.
#[derive(Debug)]
pub(super) struct Leases {
    closed: AtomicBool,
    /// By data thread and share. A thread writes only its own row, so counting a request contends
    /// with nobody.
    rows: Box<[Row]>,
    /// Told when a lease ends after the close.
    ended: Notify,
}

/// One thread's counts, on cache lines of their own (two: adjacent lines are fetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Row([AtomicU64; MAX_SHARES]);

impl Leases {
    /// None yet, for `threads` data threads.
    pub(super) fn new(threads: usize) -> Self {
        let rows = (0..threads).map(|_| Row::default()).collect();
        Self { closed: AtomicBool::new(false), rows, ended: Notify::new() }
    }

    /// Claims one on share `share` for data thread `thread`; `false` after the close. The caller owes
    /// one [`Self::end`].
    pub(super) fn claim(&self, thread: usize, share: usize) -> bool {
        self.rows[thread].0[share].fetch_add(1, SeqCst);
        if self.closed.load(SeqCst) {
            self.end(thread, share);
            return false;
        }
        true
    }

    /// Ends one of [`Self::claim`].
    pub(super) fn end(&self, thread: usize, share: usize) {
        self.rows[thread].0[share].fetch_sub(1, SeqCst);
        if self.closed.load(SeqCst) {
            self.ended.notify_one();
        }
    }

    /// Refuses all further claims.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.ended.notify_one();
    }

    /// Whether claims are refused.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Those on `share`, over all threads.
    pub(super) fn count(&self, share: usize) -> u64 {
        // Leases end on the thread that claimed them, so a row never goes below zero.
        self.rows.iter().map(|row| row.0[share].load(SeqCst)).sum()
    }

    /// Waits until one ends after the close (or for the close). One waiter at a time.
    ///
    /// # Cancel safety
    ///
    /// A notice that came while nobody waited is kept for the next call.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lease_is_missed_by_a_close_that_races_with_claims() {
        for _ in 0..500 {
            let leases = Leases::new(2);
            let (claimed, seen) = std::thread::scope(|scope| {
                let claims = scope.spawn(|| (0..200).filter(|_| leases.claim(0, 0)).count() as u64);
                leases.close();
                let seen = leases.count(0);
                (claims.join().unwrap(), seen)
            });
            // A claim in the act of being refused may be seen, too: never fewer than succeed.
            assert!(claimed <= seen, "{claimed} claims succeeded, {seen} were seen at the close");
            assert_eq!(leases.count(0), claimed);
        }
    }
}
