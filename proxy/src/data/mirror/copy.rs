//! A copy on its way: to a target, and what is read of the answer.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use http::{HeaderName, HeaderValue, Request, StatusCode, request, response};

use super::super::balance::Place;
use super::super::body::RequestBody;
use super::super::deadline::Deadline;
use super::super::error::status_of;
use super::super::headers;
use super::super::local::{Lease, Local};
use super::super::upstream::{Break, SendFailed, Terms, Upstream};
use super::pair::Pair;
use crate::descriptors;
use crate::metrics::meters::Fault;
use crate::proxy_protocol::Addresses;

/// Tells an app that nobody gets its answer.
const X_SHUNT_MIRROR: HeaderName = HeaderName::from_static("x-shunt-mirror");
/// What is read of an answer at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// What is read of an answer, in bytes: to the end, so that its connection can be used again, unless
/// another connection is cheaper than that.
const LONGEST: u64 = 1024 * 1024;

/// A copy on its way.
#[derive(Debug)]
pub(super) struct Copy {
    head: request::Parts,
    lease: Lease,
    place: Place,
    /// Of the client's connection, for targets that are told.
    ends: Option<Addresses>,
    pair: Rc<Pair>,
}

/// Why there is no answer to a copy.
enum Failed {
    /// There is no descriptor for it.
    NoRoom,
    /// It is its target's.
    Fault(Fault),
}

impl Copy {
    /// A copy of the request with this `head`, for the target that was found for it.
    pub(super) fn of(
        head: &request::Parts,
        trailers: bool,
        (lease, place): (Lease, Place),
        ends: Option<Addresses>,
        pair: Rc<Pair>,
    ) -> Self {
        // What is in the head beside these is the client's connection's.
        let (mut own, ()) = Request::new(()).into_parts();
        own.method = head.method.clone();
        own.uri = head.uri.clone();
        own.version = head.version;
        own.headers = head.headers.clone();
        own.headers.insert(X_SHUNT_MIRROR, HeaderValue::from_static("copy"));
        let protocol = lease.release().release.reach.protocol;
        if protocol.is_http2() {
            headers::for_http2(&mut own, protocol.is_tls(), trailers);
        }
        Self { head: own, lease, place, ends, pair }
    }

    /// Sends it, tells what it came to, and reads the answer if that is worth it.
    pub(super) async fn run(self, local: &Local) {
        let watched = local.deadlines.watch(None);
        let deadline = watched.deadline();
        match self.send(local, deadline).await {
            Ok((head, upstream)) => {
                self.pair.copied(head.status, None);
                self.finish(local, deadline, head, upstream).await;
            }
            Err(Failed::NoRoom) => self.pair.left_out(),
            Err(Failed::Fault(fault)) => self.pair.copied(status_of(fault), Some(fault)),
        }
    }

    /// As a request is sent ([`super::super::forward`]): a kept connection that turns out dead is no
    /// fault of the target's.
    async fn send(
        &self,
        local: &Local,
        deadline: &Deadline,
    ) -> Result<(response::Parts, Upstream), Failed> {
        let limits = self.lease.release().release.limits;
        let terms = Terms { deadline, piece: PIECE, idle: limits.idle };
        let mut kept = self.kept(local).await;
        loop {
            let reused = kept.is_some();
            let mut upstream = match kept.take() {
                Some(upstream) => upstream,
                None => self.connect(local, deadline).await?,
            };
            let sent = upstream.send(&self.head, RequestBody::default(), &terms);
            let fault = match deadline.within(limits.response, sent).await {
                Some(Ok(head)) if head.status == StatusCode::SWITCHING_PROTOCOLS => Fault::Protocol,
                Some(Ok(head)) => return Ok((head, upstream)),
                Some(Err(SendFailed::Unsent(_) | SendFailed::Silent(_))) if reused => continue,
                Some(Err(SendFailed::Overdue)) | None => Fault::ResponseTimeout,
                Some(Err(SendFailed::Broken(Break::Malformed(_)))) => Fault::Protocol,
                Some(Err(SendFailed::Unsent(_))) => Fault::Connect,
                Some(Err(
                    SendFailed::Refused(_) | SendFailed::Silent(_) | SendFailed::Broken(_),
                )) => Fault::Reset,
            };
            return Err(Failed::Fault(fault));
        }
    }

    async fn kept(&self, local: &Local) -> Option<Upstream> {
        let pool = self.lease.release().pool(self.place.target());
        poll_fn(|cx| Poll::Ready(pool.take(&local.clock, true, cx))).await
    }

    async fn connect(&self, local: &Local, deadline: &Deadline) -> Result<Upstream, Failed> {
        let release = self.lease.release();
        let (limit, target) = (release.release.limits.connect, self.place.target());
        let place = || local.free_target_place();
        let connecting = Upstream::connect(local, release, target, self.ends, place);
        let fault = |source: io::Error| match descriptors::is_none_left(&source) {
            true => Failed::NoRoom,
            false => Failed::Fault(Fault::Connect),
        };
        match deadline.within(limit, connecting).await {
            Some(connected) => connected.map_err(fault),
            None => Err(Failed::Fault(Fault::ConnectTimeout)),
        }
    }

    /// Reads the answer to its end and drops it, so that the connection can be kept. It has as long for
    /// all of it as may pass between two pieces of any other: what never ends must not keep its place.
    async fn finish(
        &self,
        local: &Local,
        deadline: &Deadline,
        mut head: response::Parts,
        mut upstream: Upstream,
    ) {
        let release = self.lease.release();
        let keep = headers::forward_response(&mut head) && release.release.reach.keeps();
        let swallowed = deadline.within(release.release.limits.idle, swallow(&mut upstream)).await;
        if swallowed == Some(true) {
            release.pool(self.place.target()).put(&local.clock, upstream, keep);
        }
    }
}

/// Reads an answer and drops it; whether it came to its end.
///
/// # Cancel safety
///
/// What was read is lost.
async fn swallow(upstream: &mut Upstream) -> bool {
    let mut left = LONGEST;
    while !upstream.is_end_stream() {
        if upstream.size_hint().lower() > left {
            return false;
        }
        match poll_fn(|cx| upstream.poll_frame(cx)).await {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, bytes::Bytes::len) as u64;
                match left.checked_sub(length) {
                    Some(rest) => left = rest,
                    None => return false,
                }
            }
            Some(Err(_)) => return false,
            None => return true,
        }
    }
    true
}
