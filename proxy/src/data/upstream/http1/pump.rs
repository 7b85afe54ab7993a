//! What writes the rest of a request whose answer has begun.
//!
//! Whoever reads the answer is polled only while the client takes it; a client that sends all before it
//! reads anything would wait for ever.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;

use tokio::task::JoinHandle;

use super::outgoing::Outgoing;
use crate::reach::Stream;

/// A task that writes to a target until the request is over, or this is dropped.
#[derive(Debug)]
pub(super) struct Pump(Option<JoinHandle<()>>);

impl Pump {
    /// Begins to write `outgoing`.
    pub(super) fn start(stream: Rc<RefCell<Stream>>, mut outgoing: Outgoing) -> Self {
        Self(Some(tokio::task::spawn_local(async move {
            // What fails here is seen by whoever reads the answer, or matters to nobody any more.
            let _ = poll_fn(|cx| outgoing.poll(&mut stream.borrow_mut(), cx)).await;
        })))
    }

    /// Lets it go on to the end of the request.
    pub(super) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
