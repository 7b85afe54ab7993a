//! What carries a request to a target and its answer back.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{request, response};
use hyper::body::{Frame, SizeHint};

use super::body::RequestBody;
use super::deadline::Deadline;
use super::local::Local;
use super::met::LocalRelease;
use crate::codec::Malformed;
use crate::descriptors::{self, Place};
use crate::proxy_protocol::Addresses;
use crate::reach::Stream;

pub(super) mod http1;
pub(super) mod http2;
mod sharing;

pub(super) use sharing::Sharing;

/// What carries one request to a target and its answer back.
#[derive(Debug)]
pub(super) enum Upstream {
    /// A connection that is this request's alone until its answer is over, and is driven by whoever
    /// waits for it.
    Http1(Box<http1::Upstream>),
    /// A stream of a connection that others share and a task of its own drives.
    Http2(http2::Upstream),
}

/// What a request is sent under.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// Until when it may go on.
    pub(super) deadline: &'a Deadline,
    /// The most that is read of its answer at a time, in bytes.
    pub(super) piece: usize,
    /// How long nothing may move.
    pub(super) idle: Duration,
}

/// Why a request got no response head.
#[derive(Debug)]
pub(super) enum SendFailed {
    /// Nothing of it was sent; here is its body again.
    Unsent(RequestBody),
    /// The target says that it has done nothing with it.
    Refused(Break),
    /// It was sent, in part at least, and the connection failed before any byte of an answer.
    Silent(Break),
    /// An answer had begun, or what came is none.
    Broken(Break),
    /// The time for it is over.
    Overdue,
}

/// What was wrong with a connection to a target.
#[derive(Debug, thiserror::Error)]
pub(super) enum Break {
    /// The target has closed it.
    #[error("it closed the connection")]
    Closed,
    /// The system has.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is not HTTP/1.1, or its end is not clear.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The same of HTTP/2.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl Upstream {
    /// A connection to target number `target` of `release`, for a request that came on a connection
    /// between these `ends`. Where there is no `place` for one more, it fails as for want of descriptors.
    pub(super) async fn connect(
        local: &Local,
        release: &LocalRelease,
        target: usize,
        ends: Option<Addresses>,
        place: impl FnOnce() -> Option<Place>,
    ) -> io::Result<Self> {
        let reach = &release.release.reach;
        let connect = async || {
            let place = place().ok_or_else(descriptors::none_left)?;
            let to = &release.release.targets[target];
            let stream = reach.connect(&to.address, &to.addresses(), ends).await?;
            Ok(stream.in_place(place))
        };
        if reach.protocol.is_http2() {
            release.pool(target).make(&local.clock, connect).await.map(Self::Http2)
        } else {
            Ok(Self::Http1(Box::new(http1::Upstream::new(connect().await?))))
        }
    }

    /// Sends `head` and `body`, and waits for the head of the answer, until the deadline of `terms`.
    ///
    /// # Cancel safety
    ///
    /// Cancelling cancels the request at the target: its connection, or its stream, is closed.
    pub(super) async fn send(
        &mut self,
        head: &request::Parts,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<response::Parts, SendFailed> {
        match self {
            Self::Http1(upstream) => upstream.send(head, body, terms).await,
            Self::Http2(upstream) => upstream.send(head, body, terms).await,
        }
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        match self {
            Self::Http1(upstream) => upstream.poll_frame(cx),
            Self::Http2(upstream) => upstream.poll_frame(cx),
        }
    }

    /// Whether the answer's body is known to be over.
    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(upstream) => upstream.is_end_stream(),
            Self::Http2(upstream) => upstream.is_end_stream(),
        }
    }

    /// How much of the answer's body there is to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(upstream) => upstream.size_hint(),
            Self::Http2(upstream) => upstream.size_hint(),
        }
    }

    /// The socket and what was read of it, once the target has switched protocols.
    pub(super) fn into_switched(self) -> Option<(Stream, Bytes)> {
        match self {
            Self::Http1(upstream) => upstream.into_switched(),
            Self::Http2(_) => None,
        }
    }

    /// Sends what is left of the request in a task of its own: nobody is sure to poll the answer's
    /// body while the request's still runs. It ends with the request, or when this is dropped before
    /// the answer is over.
    pub(super) fn send_apart(&mut self) {
        if let Self::Http1(upstream) = self {
            upstream.send_apart();
        }
    }
}
