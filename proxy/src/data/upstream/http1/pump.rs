//! What writes the rest of a request whose answer has begun.
//!
//! Whoever reads the answer is polled only while the client takes it; a client that sends all before it
//! reads anything would wait for ever.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::outgoing::Outgoing;
use crate::reach::Stream;

/// A task that writes to a target until the request is over, or this is dropped.
#[derive(Debug)]
pub(super) struct Pump {
    task: JoinHandle<()>,
    /// Bytes that it has written.
    sent: Rc<Cell<u64>>,
}

impl Pump {
    /// Begins to write `outgoing`.
    pub(super) fn start(stream: Rc<RefCell<Stream>>, mut outgoing: Outgoing) -> Self {
        let sent = Rc::new(Cell::new(outgoing.sent()));
        let progress = Rc::clone(&sent);
        let task = spawn_local(async move {
            let written = poll_fn(|cx| {
                let written = outgoing.poll(&mut stream.borrow_mut(), cx);
                progress.set(outgoing.sent());
                written
            });
            // What fails here is seen by whoever reads the answer, or matters to nobody any more.
            let _ = written.await;
        });
        Self { task, sent }
    }

    /// Lets it go on to the end of the request, as long as something moves within every `idle`: with the
    /// answer goes whoever had an eye on the time.
    pub(super) fn leave(mut self, idle: Duration) {
        spawn_local(async move {
            let mut before = self.sent.get();
            while timeout(idle, &mut self.task).await.is_err() && self.sent.get() > before {
                before = self.sent.get();
            }
        });
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}
