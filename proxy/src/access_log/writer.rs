//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::Counts;
use super::batch::Batch;
use super::output::Output;

/// How often it is said that lines are lost.
const COMPLAIN: Duration = Duration::from_mins(1);

/// Writes.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    counts: Arc<Counts>,
    /// Why the last write failed, if it did.
    failed: Option<io::Error>,
    complained: Option<Instant>,
    /// Dropped lines that were spoken of.
    told: u64,
}

impl Writer {
    /// Writes to `output`.
    pub(super) fn new(output: Output, counts: Arc<Counts>) -> Self {
        Self { output, counts, failed: None, complained: None, told: 0 }
    }

    /// Writes what comes until nobody sends any more.
    pub(super) fn run(&mut self, waiting: &Receiver<Batch>) {
        while let Ok(batch) = waiting.recv() {
            self.turn(batch, waiting);
        }
    }

    /// Writes `first` and all that waits behind it.
    pub(super) fn turn(&mut self, first: Batch, waiting: &Receiver<Batch>) {
        // What has come before is of the old file.
        let reopen = self.counts.reopen.swap(false, Relaxed);
        self.write(first);
        while let Ok(batch) = waiting.try_recv() {
            self.write(batch);
        }
        if reopen && let Err(error) = self.output.reopen() {
            tracing::error!(%error, output = %self.output, "cannot be opened again: the access log \
                goes on to the file that was moved away");
        }
        self.complain(Instant::now());
    }

    fn write(&mut self, batch: Batch) {
        if batch.lines == 0 {
            return;
        }
        let (written, failed) = self.output.write(&batch.text);
        // No line has a newline within.
        let kept = match failed {
            None => batch.lines,
            Some(_) => batch.text[..written].iter().map(|b| u64::from(*b == b'\n')).sum(),
        };
        self.counts.written.fetch_add(kept, Relaxed);
        self.counts.dropped.fetch_add(batch.lines - kept, Relaxed);
        self.failed = failed;
        self.counts.spare.put(batch);
    }

    /// Says that lines are lost, once a minute at most. Returns whether it did.
    pub(super) fn complain(&mut self, now: Instant) -> bool {
        let dropped = self.counts.dropped();
        let early = self.complained.is_some_and(|last| now.duration_since(last) < COMPLAIN);
        if dropped == self.told || early {
            return false;
        }
        let lines = dropped - self.told;
        let cause = match &self.failed {
            Some(error) => error.to_string(),
            None => "they come faster than they can be written".to_owned(),
        };
        tracing::warn!(lines, cause, output = %self.output, "access log lines are lost");
        self.told = dropped;
        self.complained = Some(now);
        true
    }
}
