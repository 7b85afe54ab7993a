//! `Expect: 100-continue`, end to end (RFC 9110 10.1.1).
//!
//! hyper tells the client to go on as soon as its body is asked for. So the body is not asked for
//! until the target says that it wants it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderValue, Request, StatusCode};
use tokio::time::{Sleep, sleep};

/// Not every server answers the expectation. After as long as curl waits, the body is sent anyway.
const PATIENCE: Duration = Duration::from_secs(1);

/// What holds a request body back.
#[derive(Debug)]
pub(super) struct Gate {
    /// Set from hyper's callback, which must be `Send`.
    open: Arc<AtomicBool>,
    patience: Pin<Box<Sleep>>,
}

impl Gate {
    /// A gate that opens when the target answers `request` with `100 Continue`.
    pub(super) fn new<B>(request: &mut Request<B>) -> Self {
        request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
        let open = Arc::new(AtomicBool::new(false));
        let opens = Arc::clone(&open);
        hyper::ext::on_informational(request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                opens.store(true, Relaxed);
            }
        });
        Self { open, patience: Box::pin(sleep(PATIENCE)) }
    }

    /// Waits until the body may be asked for. The callback runs in the task that polls this, before
    /// it polls: nobody need be woken.
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.load(Relaxed) { Poll::Ready(()) } else { self.patience.as_mut().poll(cx) }
    }
}
