//! HTTP/1.1 towards targets: a connection for one request at a time, driven by whoever uses it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;

use super::super::body::RequestBody;
use super::super::deadline::Deadline;
use super::SendFailed;
use super::relay::Relay;
use crate::reach::Stream;

/// What hyper reads at a time, and about what it keeps of an upload that the target does not take:
/// left alone it keeps over half a MiB in each direction. The head of an answer has to fit in, too.
const BUFFER: usize = 64 * 1024;

/// A connection to a target. Both halves are in one place: the task that waits for the answer also
/// moves the bytes, so there is no second task to wake.
#[derive(Debug)]
pub(in crate::data) struct Upstream {
    sender: SendRequest<RequestBody>,
    connection: Driven,
    relay: Arc<Relay>,
    /// The relay's own: what hyper is given.
    waker: Waker,
}

/// hyper's half of the connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives in the box of its `Upstream`")]
enum Driven {
    /// It goes on.
    Open(Connection<TokioIo<Stream>, RequestBody>),
    /// It is over, and taken apart at once: what hyper has queued on it is handed back only by its
    /// end, and a request sent to one that closed while it was idle would wait for ever. The socket
    /// and what was read of it are what an upgrade goes on with.
    Over(Option<(Stream, Bytes)>),
}

impl Upstream {
    /// Begins to speak HTTP/1.1 on `stream`.
    pub(super) async fn handshake(stream: Stream) -> io::Result<Self> {
        let mut builder = http1::Builder::new();
        let handshake = builder.max_buf_size(BUFFER).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        let relay = Arc::new(Relay::default());
        let waker = Waker::from(Arc::clone(&relay));
        Ok(Self { sender, connection: Driven::Open(connection), relay, waker })
    }

    /// Moves bytes in both directions as far as they go without waiting.
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.relay.listen(cx.waker());
        self.connection.drive(&mut Context::from_waker(&self.waker));
    }

    /// Whether it can take a request. An end of stream that has arrived is seen here.
    pub(in crate::data) fn is_alive(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        matches!(self.connection, Driven::Open(_)) && self.sender.is_ready()
    }

    /// See [`super::Upstream::send`].
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        deadline: &Deadline,
    ) -> Result<Response<Incoming>, SendFailed> {
        self.relay.hush();
        // All that moves it on happens in `drive`: nobody need be woken for it.
        let mut answer = std::pin::pin!(unconstrained(self.sender.try_send_request(request)));
        let mut nobody = Context::from_waker(Waker::noop());
        std::future::poll_fn(|cx| {
            self.relay.listen(cx.waker());
            self.connection.drive(&mut Context::from_waker(&self.waker));
            match answer.as_mut().poll(&mut nobody) {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(failed)) => Poll::Ready(Err(SendFailed::from(failed))),
                Poll::Pending if deadline.is_over() => Poll::Ready(Err(SendFailed::Overdue)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// See [`super::Upstream::poll_frame`].
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let mut nobody = Context::from_waker(Waker::noop());
        self.relay.hush();
        let polled = Pin::new(&mut *body).poll_frame(&mut nobody);
        if polled.is_ready() {
            return polled;
        }
        // This has told the connection that a piece is wanted; now it may read one.
        self.drive(cx);
        self.relay.hush();
        let polled = Pin::new(body).poll_frame(&mut nobody);
        if polled.is_pending() {
            self.relay.listen(cx.waker());
        }
        polled
    }

    /// See [`super::Upstream::into_switched`].
    pub(super) fn into_switched(self: Box<Self>) -> Option<(Stream, Bytes)> {
        match self.connection {
            Driven::Open(_) => None,
            Driven::Over(switched) => switched,
        }
    }

    /// See [`super::Upstream::detach`].
    pub(super) fn detach(self: Box<Self>) {
        // Without its sender it ends with the exchange, instead of waiting for another one.
        if let Driven::Open(connection) = self.connection {
            tokio::task::spawn_local(async move {
                // The error, if any, reaches whoever reads the body.
                let _ = connection.await;
            });
        }
    }
}

impl Driven {
    /// Moves bytes, if it is not over. How it ends reaches whoever waits for the answer or its body.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Self::Open(connection) = self else { return };
        if Pin::new(connection).poll(cx).is_ready()
            && let Self::Open(connection) = std::mem::replace(self, Self::Over(None))
        {
            let parts = connection.into_parts();
            *self = Self::Over(Some((parts.io.into_inner(), parts.read_buf)));
        }
    }
}

impl From<TrySendError<Request<RequestBody>>> for SendFailed {
    fn from(mut failed: TrySendError<Request<RequestBody>>) -> Self {
        match failed.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Broken(failed.into_error()),
        }
    }
}
