//! HTTP/2 towards targets (RFC 9113): few connections, each shared by many requests of its thread.
//!
//! Each is driven by a task of its own: one slow client must not hold up the others' streams.

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, request, response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::super::body::RequestBody;
use super::super::clock::Moment;
use super::{Break, SendFailed, Terms};
use crate::codec::framing;
use crate::reach::Stream;

/// Streams on one connection; for more another one is made. A server should take as many (RFC 9113
/// 6.5.2); where it takes fewer, the rest waits within the time for an answer.
const STREAMS: u32 = 100;
/// What a target may send of one answer before the client has taken any of it.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same of all answers: streams whose clients are slow must not take the others' share.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS;
/// How much of request bodies is held for a target whose window is shut, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// The largest response head, as decoded.
const HEAD: u32 = 64 * 1024;

/// A connection that the requests of one thread share.
#[derive(Debug)]
pub(in crate::data) struct Shared {
    sender: SendRequest<RequestBody>,
    streams: Cell<u32>,
    /// When a request was put on it last.
    used: Cell<Moment>,
    /// It has let a request down: whoever is on it stays, nobody comes any more.
    failed: Cell<bool>,
}

/// One request's place on a shared connection.
#[derive(Debug)]
pub(in crate::data) struct Upstream {
    shared: Rc<Shared>,
    /// The answer's body.
    answer: Option<Incoming>,
}

impl Shared {
    /// Begins to speak HTTP/2 on `stream`. Its task ends when the last place on it and the
    /// connection itself are dropped.
    pub(in crate::data) async fn handshake(stream: Stream) -> io::Result<Rc<Self>> {
        let (sender, connection) = Builder::new(Here)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            // How it ends reaches everybody whose stream ends with it.
            let _ = connection.await;
        });
        Ok(Rc::new(Self {
            sender,
            streams: Cell::new(0),
            used: Cell::default(),
            failed: Cell::new(false),
        }))
    }

    /// A place on it, if it has room and takes requests.
    pub(in crate::data) fn place(self: &Rc<Self>, now: Moment) -> Option<Upstream> {
        if self.is_over() || self.streams.get() >= STREAMS {
            return None;
        }
        self.streams.set(self.streams.get() + 1);
        self.used.set(now);
        Some(Upstream { shared: Rc::clone(self), answer: None })
    }

    /// Whether it takes no more requests.
    pub(in crate::data) fn is_over(&self) -> bool {
        self.failed.get() || self.sender.is_closed()
    }

    /// Since when nobody has used it; `None` while somebody does.
    pub(in crate::data) fn idle_since(&self) -> Option<Moment> {
        (self.streams.get() == 0).then(|| self.used.get())
    }
}

impl Upstream {
    /// See [`super::Upstream::send`].
    pub(super) async fn send(
        &mut self,
        head: &request::Parts,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<response::Parts, SendFailed> {
        let mut sender = self.shared.sender.clone();
        let mut answer = pin!(sender.try_send_request(Request::from_parts(head.clone(), body)));
        let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
            Poll::Ready(Err(mut failed)) => Poll::Ready(Err(match failed.take_message() {
                Some(request) => SendFailed::Unsent(request.into_body()),
                None => SendFailed::of(failed.into_error()),
            })),
            Poll::Pending if terms.deadline.is_over() => Poll::Ready(Err(SendFailed::Overdue)),
            Poll::Pending => Poll::Pending,
        });
        let answered = answered.await;
        if matches!(answered, Err(SendFailed::Overdue)) {
            // Perhaps it is this request, perhaps nothing comes on this connection any more; pings to
            // find out are what gRPC servers end connections for.
            self.shared.failed.set(true);
        }
        let (mut head, answer) = answered?.into_parts();
        // It frames nothing here, but does for whoever the head is passed on to.
        framing::content_length(&mut head.headers).map_err(|e| SendFailed::Broken(e.into()))?;
        self.answer = Some(answer);
        Ok(head)
    }

    /// See [`super::Upstream::poll_frame`].
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        match &mut self.answer {
            Some(answer) => Pin::new(answer).poll_frame(cx).map_err(Break::Http2),
            None => Poll::Ready(None),
        }
    }

    /// See [`super::Upstream::is_end_stream`].
    pub(super) fn is_end_stream(&self) -> bool {
        self.answer.as_ref().is_none_or(Body::is_end_stream)
    }

    /// See [`super::Upstream::size_hint`].
    pub(super) fn size_hint(&self) -> SizeHint {
        self.answer.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.streams.set(self.shared.streams.get() - 1);
    }
}

impl SendFailed {
    /// Whether the target has acted on a request that failed with `error`: not if it has refused the
    /// stream, or said that it would take none as late as this (RFC 9113 8.7).
    fn of(error: hyper::Error) -> Self {
        let reason = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        let refused = reason.is_some_and(|error| {
            let reset = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (reset || error.is_go_away())
        });
        if refused { Self::Refused(error.into()) } else { Self::Broken(error.into()) }
    }
}

/// Runs what hyper wants run on the thread that it is on.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, work: F) {
        tokio::task::spawn_local(work);
    }
}
