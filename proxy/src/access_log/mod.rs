//! The access log: a line per request, written off the data threads.
//!
//! A data thread writes lines into a batch of its own: nothing is shared, locked or waited for. Ten
//! times a second, or when it is full, the batch goes to a thread that hands it to the system. When
//! that thread is behind, because a disk or a pipe is, batches are dropped and counted; no request
//! ever waits for its line.
//!
//! # Layout, in the order of a line
//!
//! - [`line`](mod@line): what a line tells
//! - [`lane`]: one data thread's end
//! - [`format`](mod@format): JSON and combined
//! - [`batch`]: lines on their way
//! - [`writer`]: the thread that writes
//! - [`output`]: standard output or a file

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use self::batch::{Batch, Spare};
use self::writer::Writer;

pub mod batch;
pub mod format;
pub mod lane;
pub mod line;
pub mod output;
#[cfg(test)]
mod tests;
pub mod writer;

pub use format::Format;
pub use lane::Lane;
pub use line::{Asked, Line};
pub use output::Output;

/// The most lines in a batch.
const MOST: usize = 256;

/// What the log has counted, and what else its threads share.
#[derive(Debug, Default)]
pub struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    /// The file is to be opened again.
    reopen: AtomicBool,
    spare: Spare,
}

impl Counts {
    /// Lines written.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines dropped: the writer was behind, or could not write.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The running access log.
#[derive(Debug)]
pub struct AccessLog {
    batches: SyncSender<Batch>,
    counts: Arc<Counts>,
    format: Format,
    /// Lines in a batch, at most.
    batch: u64,
    thread: JoinHandle<()>,
}

impl AccessLog {
    /// Starts the thread that writes to `output`. About `buffer` lines, at least two batches of one,
    /// may wait for it.
    pub fn start(output: Output, format: Format, buffer: usize) -> io::Result<Self> {
        let batch = (buffer / 16).clamp(1, MOST);
        let (batches, waiting) = mpsc::sync_channel((buffer / batch).max(2));
        let counts = Arc::new(Counts::default());
        let mut writer = Writer::new(output, Arc::clone(&counts));
        let thread = thread::Builder::new().name("access-log".to_owned());
        let thread = thread.spawn(move || writer.run(&waiting))?;
        Ok(Self { batches, counts, format, batch: batch as u64, thread })
    }

    /// The end of one data thread.
    pub fn lane(&self) -> Lane {
        Lane::new(self.batches.clone(), Arc::clone(&self.counts), self.format, self.batch)
    }

    /// What was counted.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Opens the file again, as soon as what already waits is written: it was moved away. Returns at
    /// once.
    pub fn reopen(&self) {
        self.counts.reopen.store(true, Relaxed);
        // Wakes the thread; if there is no room, it is awake.
        let _ = self.batches.try_send(Batch::default());
    }

    /// Writes what waits and ends. Blocks until then, or for ever while a [`Lane`] is alive.
    pub fn close(self) {
        drop(self.batches);
        if self.thread.join().is_err() {
            tracing::error!("the access log's thread panicked");
        }
    }
}
