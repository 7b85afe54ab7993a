//! What is counted that belongs to no release.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::StatusCode;

/// Counters of the whole process, in a row per data thread.
#[derive(Debug)]
pub struct ProcessMeters {
    rows: Box<[Row]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Row {
    unknown_host: AtomicU64,
    no_release: AtomicU64,
    accept_failed: AtomicU64,
}

impl ProcessMeters {
    /// Counters for `threads` data threads.
    pub fn new(threads: usize) -> Self {
        Self { rows: (0..threads).map(|_| Row::default()).collect() }
    }

    /// Counts a request that no release was claimed for, answered with `status`.
    pub(crate) fn unrouted(&self, thread: usize, status: StatusCode) {
        let row = &self.rows[thread];
        let counter = match status {
            StatusCode::NOT_FOUND => &row.unknown_host,
            _ => &row.no_release,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Counts an accept that failed for want of descriptors or memory.
    pub(crate) fn accept_failed(&self, thread: usize) {
        self.rows[thread].accept_failed.fetch_add(1, Relaxed);
    }

    /// Requests for a host or path that no app has.
    pub fn unknown_host(&self) -> u64 {
        self.rows.iter().map(|row| row.unknown_host.load(Relaxed)).sum()
    }

    /// Requests for an app without a serving release.
    pub fn no_release(&self) -> u64 {
        self.rows.iter().map(|row| row.no_release.load(Relaxed)).sum()
    }

    /// Accepts that failed for want of descriptors or memory.
    pub fn accepts_failed(&self) -> u64 {
        self.rows.iter().map(|row| row.accept_failed.load(Relaxed)).sum()
    }
}
