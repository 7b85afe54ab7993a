//! One data thread's end of the log.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::Counts;
use super::batch::Batch;
use super::format::{Format, Formatter};
use super::line::Line;

/// The most text in a batch: long lines make it full before its number of lines does.
const TEXT: usize = 128 * 1024;

/// One data thread's end of the log. It must be flushed regularly, and flushes itself when dropped.
#[derive(Debug)]
pub struct Lane {
    lines: RefCell<Lines>,
    batches: SyncSender<Batch>,
    counts: Arc<Counts>,
    most: u64,
}

#[derive(Debug)]
struct Lines {
    batch: Batch,
    formatter: Formatter,
}

impl Lane {
    pub(super) fn new(
        batches: SyncSender<Batch>,
        counts: Arc<Counts>,
        format: Format,
        most: u64,
    ) -> Self {
        let lines = Lines { batch: Batch::default(), formatter: Formatter::new(format) };
        Self { lines: RefCell::new(lines), batches, counts, most }
    }

    /// Takes in `line`. Never waits.
    pub fn push(&self, line: &Line<'_>) {
        let Lines { batch, formatter } = &mut *self.lines.borrow_mut();
        formatter.write(line, &mut batch.text);
        batch.lines += 1;
        if batch.lines >= self.most || batch.text.len() >= TEXT {
            self.hand_over(batch);
        }
    }

    /// Hands over what has come; if the writer has no room for it, it is dropped and counted. To be
    /// called with every tick. Never waits.
    pub fn flush(&self) {
        let batch = &mut self.lines.borrow_mut().batch;
        if batch.lines > 0 {
            self.hand_over(batch);
        }
    }

    fn hand_over(&self, batch: &mut Batch) {
        let full = std::mem::replace(batch, self.counts.spare.take());
        if let Err(error) = self.batches.try_send(full) {
            let (TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = error;
            self.counts.dropped.fetch_add(lost.lines, Relaxed);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.flush();
    }
}
