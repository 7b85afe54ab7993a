//! A request that has claimed a release, from the claim until both bodies are over.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use super::client::Client;
use super::local::{Lease, LocalRelease};
use crate::metrics::meters::{Fault, Retry};

/// One request and its answer. Held by both bodies: when the last of them is dropped, the lease
/// ends and the answer is counted.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The client connection it came in on.
    pub(super) client: Rc<Client>,
    lease: Lease,
    thread: usize,
    began: Instant,
    status: Cell<u16>,
    sending: Cell<Sending>,
}

/// How far the request body has come, and whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The target takes no more for now.
    WaitsForTarget,
    /// The client has sent no more yet.
    WaitsForClient,
    /// All of it was handed over, or there was none.
    Done,
    /// The client broke it off or sent nonsense.
    Failed,
}

impl Exchange {
    /// A request that begins now.
    pub(super) fn new(client: Rc<Client>, lease: Lease, thread: usize, began: Instant) -> Rc<Self> {
        let status = Cell::new(0);
        Rc::new(Self { client, lease, thread, began, status, sending: Cell::new(Sending::Done) })
    }

    /// The release it goes to.
    pub(super) fn release(&self) -> &Rc<LocalRelease> {
        self.lease.release()
    }

    /// How far the request body has come.
    pub(super) fn sending(&self) -> Sending {
        self.sending.get()
    }

    /// A piece of the request body has moved, and so has the deadline.
    pub(super) fn moved(&self, sending: Sending) {
        self.sending.set(sending);
        let limits = self.release().release.limits;
        let waits_for_head = sending == Sending::Done && self.status.get() == 0;
        self.client.allow(if waits_for_head { limits.response } else { limits.idle });
    }

    /// The target wants more than the client has sent.
    pub(super) fn stopped(&self) {
        self.sending.set(Sending::WaitsForClient);
    }

    /// Records the status the client is answered with.
    pub(super) fn answered(&self, status: u16) {
        self.status.set(status);
    }

    /// Counts a failure of the target.
    pub(super) fn failed(&self, fault: Fault) {
        self.release().release.meters.cell(self.thread).failed(fault);
    }

    /// Counts a second try.
    pub(super) fn retried(&self, retry: Retry) {
        self.release().release.meters.cell(self.thread).retried(retry);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let cell = self.lease.release().release.meters.cell(self.thread);
        cell.answered(self.status.get(), self.began.elapsed());
    }
}
