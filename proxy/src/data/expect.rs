//! `Expect: 100-continue`, end to end (RFC 9110 10.1.1).
//!
//! hyper tells the client to go on as soon as its body is asked for. So the body is not asked for
//! until the target says that it wants it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Not every server answers the expectation. After as long as curl waits, the body is sent anyway.
const PATIENCE: Duration = Duration::from_secs(1);

/// What holds a request body back.
#[derive(Debug)]
pub(super) struct Gate(Pin<Box<Sleep>>);

impl Gate {
    /// A gate that opens of itself after a while.
    pub(super) fn new() -> Self {
        Self(Box::pin(sleep(PATIENCE)))
    }

    /// Waits until the body may be asked for, whatever the target says.
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
