//! Requests and their copies: two figures of each, over the same requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use shunt_config::status::Mirrored;

use super::meters::{Fault, Meters, Totals};

/// What pairs of a request and its copy came to, counted by each data thread for itself.
#[derive(Debug)]
pub struct Pairs {
    originals: Meters,
    copies: Meters,
    threads: Box<[Counts]>,
}

/// What one thread counts beside.
#[derive(Debug, Default)]
struct Counts {
    differ: AtomicU64,
    left_out: AtomicU64,
}

/// What one of the two came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The status that the client got, or would have got.
    pub(crate) status: u16,
    /// What was the target's fault, if no answer came.
    pub(crate) fault: Option<Fault>,
    /// Until the head of the answer.
    pub(crate) took: Duration,
}

impl Outcome {
    /// The class to compare by. 304 is a 200 that need not be sent again (RFC 9110 15.4.5): which of
    /// the two it is depends on which release the client has been to before.
    fn class(self) -> u16 {
        if self.status == 304 { 2 } else { self.status / 100 }
    }

    fn count(self, meters: &Meters, thread: usize) {
        let cell = meters.cell(thread);
        cell.answered(self.status, self.took);
        if let Some(fault) = self.fault {
            cell.failed(fault);
        }
    }
}

impl Pairs {
    /// Nothing yet, for `threads` data threads.
    pub fn new(threads: usize) -> Self {
        let (originals, copies) = (Meters::new(threads), Meters::new(threads));
        Self { originals, copies, threads: (0..threads).map(|_| Counts::default()).collect() }
    }

    /// Counts a pair of data thread `thread`, which alone may count there.
    pub(crate) fn count(&self, thread: usize, original: Outcome, copy: Outcome) {
        original.count(&self.originals, thread);
        copy.count(&self.copies, thread);
        if original.class() != copy.class() {
            self.threads[thread].differ.fetch_add(1, Relaxed);
        }
    }

    /// Counts a request that was to be copied and was not.
    pub(crate) fn leave_out(&self, thread: usize) {
        self.threads[thread].left_out.fetch_add(1, Relaxed);
    }

    /// What the copies came to.
    pub fn copies(&self) -> Totals {
        self.copies.totals()
    }

    /// Pairs whose statuses are of different classes.
    pub fn differ(&self) -> u64 {
        self.threads.iter().map(|counts| counts.differ.load(Relaxed)).sum()
    }

    /// Requests that were to be copied and were not.
    pub fn left_out(&self) -> u64 {
        self.threads.iter().map(|counts| counts.left_out.load(Relaxed)).sum()
    }

    /// What is told of it.
    pub fn mirrored(&self) -> Mirrored {
        Mirrored {
            originals: self.originals.totals().tally(),
            copies: self.copies.totals().tally(),
            differ: self.differ(),
            left_out: self.left_out(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Outcome {
        Outcome { status, fault: None, took: Duration::from_millis(1) }
    }

    #[test]
    fn a_pair_differs_by_class_and_304_is_as_good_as_200() {
        let pairs = Pairs::new(2);
        for (thread, original, copy) in
            [(0, 200, 206), (1, 200, 304), (0, 302, 304), (1, 404, 500), (1, 500, 200)]
        {
            pairs.count(thread, outcome(original), outcome(copy));
        }
        pairs.leave_out(1);
        let Mirrored { originals, copies, differ, left_out } = pairs.mirrored();
        assert_eq!((differ, left_out), (3, 1));
        assert_eq!((originals.requests, originals.errors), (5, 1));
        assert_eq!((copies.requests, copies.errors), (5, 1));
    }

    #[test]
    fn a_target_that_cannot_be_reached_is_told_apart() {
        let pairs = Pairs::new(1);
        let unreachable = Outcome { fault: Some(Fault::Connect), ..outcome(502) };
        pairs.count(0, outcome(200), unreachable);
        let Mirrored { originals, copies, .. } = pairs.mirrored();
        assert_eq!((copies.errors, copies.connects), (1, 1));
        assert_eq!((originals.errors, originals.connects), (0, 0));
    }
}
