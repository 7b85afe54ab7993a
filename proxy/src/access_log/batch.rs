//! Lines on their way from a data thread to the thread that writes them.

use std::sync::Mutex;

/// Rooms kept for the next batches.
const SPARE: usize = 8;

/// Whole lines.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) text: Vec<u8>,
    /// How many.
    pub(super) lines: u64,
}

/// Empty batches, whose room is used again: it is large, and new to the caches otherwise.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Batch>>);

impl Spare {
    /// An empty batch. Never waits.
    pub(super) fn take(&self) -> Batch {
        self.0.try_lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// Takes back `batch`, which was written.
    pub(super) fn put(&self, mut batch: Batch) {
        batch.text.clear();
        batch.lines = 0;
        if let Ok(mut spare) = self.0.lock()
            && spare.len() < SPARE
            && batch.text.capacity() > 0
        {
            spare.push(batch);
        }
    }
}
