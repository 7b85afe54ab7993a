//! A request and its copy, until both have come to a status.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use super::super::error::ProxyError;
use crate::metrics::Pairs;
use crate::metrics::meters::Fault;
use crate::metrics::pairs::Outcome;

/// A request and its copy. Counted when both have come to a status, and never if one does not: the
/// client has left before that, or the copy was dropped.
#[derive(Debug)]
pub(in crate::data) struct Pair {
    pairs: Arc<Pairs>,
    thread: usize,
    /// When both were sent.
    began: Instant,
    original: Cell<Option<Outcome>>,
    copy: Cell<Option<Outcome>>,
}

impl Pair {
    /// A request of data thread `thread` that is sent now.
    pub(super) fn begin(pairs: &Arc<Pairs>, thread: usize) -> Rc<Self> {
        let (original, copy) = Default::default();
        let (pairs, began) = (Arc::clone(pairs), Instant::now());
        Rc::new(Self { pairs, thread, began, original, copy })
    }

    /// The request was answered by its target.
    pub(in crate::data) fn answered(&self, status: StatusCode) {
        self.original.set(Some(self.outcome(status, None)));
        self.count();
    }

    /// The request was answered with `error`.
    pub(in crate::data) fn failed(&self, error: &ProxyError) {
        self.original.set(Some(self.outcome(error.status(), error.fault())));
        self.count();
    }

    /// So was the copy, or would have been, for the target's `fault`.
    pub(super) fn copied(&self, status: StatusCode, fault: Option<Fault>) {
        self.copy.set(Some(self.outcome(status, fault)));
        self.count();
    }

    /// There is no room for the copy.
    pub(super) fn left_out(&self) {
        self.pairs.leave_out(self.thread);
    }

    fn outcome(&self, status: StatusCode, fault: Option<Fault>) -> Outcome {
        Outcome { status: status.as_u16(), fault, took: self.began.elapsed() }
    }

    fn count(&self) {
        if let (Some(original), Some(copy)) = (self.original.get(), self.copy.get()) {
            self.pairs.count(self.thread, original, copy);
        }
    }
}
