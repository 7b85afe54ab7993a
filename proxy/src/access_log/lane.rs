//! One data thread's end of the log.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::Counts;
use super::batch::Batch;
use super::line::Line;

/// The most text in a batch: long lines make it full before its number of lines does.
const TEXT: usize = 128 * 1024;

/// One data thread's end of the log. It must be flushed regularly, and flushes itself when dropped.
#[derive(Debug)]
pub struct Lane {
    batch: RefCell<Batch>,
    batches: SyncSender<Batch>,
    counts: Arc<Counts>,
    most: usize,
}

impl Lane {
    pub(super) fn new(batches: SyncSender<Batch>, counts: Arc<Counts>, most: usize) -> Self {
        Self { batch: RefCell::default(), batches, counts, most }
    }

    /// Takes in `line`. Never waits.
    pub fn push(&self, line: &Line<'_>) {
        let mut batch = self.batch.borrow_mut();
        batch.push(line);
        if batch.len() >= self.most || batch.text_len() >= TEXT {
            drop(batch);
            self.flush();
        }
    }

    /// Hands over what has come; if the writer has no room for it, it is dropped and counted. To be
    /// called with every tick. Never waits.
    pub fn flush(&self) {
        let mut batch = self.batch.borrow_mut();
        let lines = batch.len();
        if lines == 0 {
            return;
        }
        // The next one will be about as long.
        let full = std::mem::replace(&mut *batch, Batch::with_room(lines));
        match self.batches.try_send(full) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counts.dropped.fetch_add(lines as u64, Relaxed);
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.flush();
    }
}
