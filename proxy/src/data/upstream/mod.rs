//! What carries a request to a target and its answer back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};

use super::body::RequestBody;
use super::client::Client;
use super::deadline::Deadline;
use super::local::{Local, LocalRelease};
use crate::descriptors;
use crate::reach::Stream;

pub(super) mod http1;
pub(super) mod http2;
mod relay;
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

/// Why a request got no response head.
#[derive(Debug)]
pub(super) enum SendFailed {
    /// Nothing of it was sent; here it is back.
    Unsent(Box<Request<RequestBody>>),
    /// The target says that it has done nothing with it.
    Refused(hyper::Error),
    /// It was sent, in part at least, and the connection failed.
    Broken(hyper::Error),
    /// The time for it is over.
    Overdue,
}

impl Upstream {
    /// A connection to target number `target` of `release`, for a request of `client`. Where there is no
    /// room for one more, it fails as for want of descriptors.
    pub(super) async fn connect(
        local: &Local,
        release: &LocalRelease,
        target: usize,
        client: &Client,
    ) -> io::Result<Self> {
        let reach = &release.release.reach;
        let connect = async || {
            let place = local.target_place().ok_or_else(descriptors::none_left)?;
            let to = &release.release.targets[target];
            let stream = reach.connect(&to.address, &to.addresses(), client.ends()).await?;
            Ok(stream.in_place(place))
        };
        if reach.protocol.is_http2() {
            release.pools[target].shared.make(&local.clock, connect).await.map(Self::Http2)
        } else {
            let upstream = http1::Upstream::handshake(connect().await?).await?;
            Ok(Self::Http1(Box::new(upstream)))
        }
    }

    /// The next piece of `body`, the answer that comes on this connection.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match self {
            Self::Http1(upstream) => upstream.poll_frame(body, cx),
            Self::Http2(_) => Pin::new(body).poll_frame(cx),
        }
    }

    /// Sends `request` and waits for the response head, until `deadline`.
    ///
    /// # Cancel safety
    ///
    /// Cancelling cancels the request at the target: its connection, or its stream, is closed.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        deadline: &Deadline,
    ) -> Result<Response<Incoming>, SendFailed> {
        match self {
            Self::Http1(upstream) => upstream.send(request, deadline).await,
            Self::Http2(upstream) => upstream.send(request, deadline).await,
        }
    }

    /// Whether it may be asked again for what it says it has not done: see [`SendFailed::Refused`].
    pub(super) fn can_refuse(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// The socket and what was read of it, once the target has switched protocols.
    pub(super) fn into_switched(self) -> Option<(Stream, Bytes)> {
        match self {
            Self::Http1(upstream) => upstream.into_switched(),
            Self::Http2(_) => None,
        }
    }

    /// Goes on in a task of its own until both messages are over. For when nobody is sure to poll
    /// the response body while the request body still runs. A stream is held until its answer is
    /// over.
    pub(super) fn detach(self) -> Option<Self> {
        match self {
            Self::Http1(upstream) => {
                upstream.detach();
                None
            }
            shared @ Self::Http2(_) => Some(shared),
        }
    }
}
