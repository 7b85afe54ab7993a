//! Both bodies of an exchange. Each holds the exchange, so its lease ends with the last of them.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client::Client;
use super::clock::Clock;
use super::exchange::{Exchange, Sending};
use super::expect::Gate;
use super::upstream::Upstream;
use crate::metrics::meters::Fault;

/// What goes wrong in a body; it breaks the message off, and nobody reads it.
type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The client's body on its way to the target. Most requests have none, and requests are moved a lot:
/// what only some need is in a box.
#[derive(Debug, Default)]
pub(super) struct RequestBody(Option<Box<Upload>>);

#[derive(Debug)]
struct Upload {
    incoming: Incoming,
    /// A piece of it that was taken and could not be sent.
    first: Bytes,
    /// What holds it back, while the target has not said that it wants it.
    gate: Option<Gate>,
    /// Bytes that may still come.
    left: u64,
    exchange: Rc<Exchange>,
}

impl RequestBody {
    /// `incoming`, or nothing at all if it is empty; at most `limit` bytes of it, if that is not 0.
    pub(super) fn new(incoming: Incoming, exchange: &Rc<Exchange>, limit: u64) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        exchange.moved(Sending::WaitsForTarget);
        let left = if limit == 0 { u64::MAX } else { limit };
        let exchange = Rc::clone(exchange);
        Self(Some(Box::new(Upload { incoming, first: Bytes::new(), gate: None, left, exchange })))
    }

    /// Holds the body back until `gate` is open.
    pub(super) fn hold(&mut self, gate: Gate) {
        if let Some(upload) = &mut self.0 {
            upload.exchange.held();
            upload.gate = Some(gate);
        }
    }

    /// The target wants it.
    pub(super) fn go_on(&mut self) {
        if let Some(upload) = &mut self.0 {
            upload.gate = None;
        }
    }

    /// Takes back the piece that was taken last.
    pub(super) fn put_back(&mut self, piece: Bytes) {
        if let Some(upload) = &mut self.0 {
            upload.first = piece;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(upload) = &mut self.0 else { return Poll::Ready(None) };
        let Upload { incoming, first, gate, left, exchange } = &mut **upload;
        if !first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(first)))));
        }
        if let Some(shut) = gate {
            ready!(shut.poll_open(cx));
            *gate = None;
        }
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let length = data.len() as u64;
            if let Some(record) = exchange.record() {
                record.received.set(record.received.get() + length);
            }
            let Some(rest) = left.checked_sub(length) else {
                exchange.moved(Sending::TooLarge);
                return Poll::Ready(Some(Err("the request body is too large".into())));
            };
            *left = rest;
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.is_trailers()
        {
            exchange.client.trailers_came();
        }
        match &polled {
            Poll::Ready(Some(Ok(_))) if incoming.is_end_stream() => exchange.moved(Sending::Done),
            Poll::Ready(Some(Ok(_))) => exchange.moved(Sending::WaitsForTarget),
            Poll::Ready(None) => exchange.moved(Sending::Done),
            Poll::Ready(Some(Err(_))) => exchange.moved(Sending::Failed),
            Poll::Pending => exchange.stopped(),
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|upload| upload.first.is_empty() && upload.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let Some(upload) = &self.0 else { return SizeHint::with_exact(0) };
        let (first, rest) = (upload.first.len() as u64, upload.incoming.size_hint());
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => rest,
        }
    }
}

/// What the client is answered with.
#[derive(Debug)]
pub(super) struct ResponseBody {
    kind: Kind,
    client: Rc<Client>,
}

#[derive(Debug)]
enum Kind {
    /// From the target.
    Forward(Box<Download>),
    /// The proxy's own words.
    Own(Full<Bytes>),
}

/// The target's body on its way to the client.
#[derive(Debug)]
pub(super) struct Download {
    /// What it comes on; `None` once it is over or broken off.
    upstream: Option<Upstream>,
    /// Whether the target keeps that connection.
    keep: bool,
    target: usize,
    exchange: Rc<Exchange>,
    clock: Rc<Clock>,
}

impl ResponseBody {
    /// No body at all.
    pub(super) fn empty(client: &Rc<Client>) -> Self {
        Self::own(Bytes::new(), client)
    }

    /// The proxy's own words.
    pub(super) fn own(text: Bytes, client: &Rc<Client>) -> Self {
        Self { kind: Kind::Own(Full::new(text)), client: Rc::clone(client) }
    }

    /// What comes from the target.
    pub(super) fn forward(download: Download) -> Self {
        let client = Rc::clone(&download.exchange.client);
        Self { kind: Kind::Forward(Box::new(download)), client }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.client.exchange_over();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Forward(download) => download.poll_frame(cx),
            Kind::Own(text) => Pin::new(text).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Forward(download) => download.is_end_stream(),
            Kind::Own(text) => text.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Forward(download) => download.size_hint(),
            Kind::Own(text) => text.size_hint(),
        }
    }
}

impl Download {
    /// The body that comes from target number `target` on `upstream`, which the target means to
    /// `keep` open.
    pub(super) fn new(
        mut upstream: Upstream,
        keep: bool,
        target: usize,
        exchange: Rc<Exchange>,
        clock: &Rc<Clock>,
    ) -> Self {
        let idle = exchange.release().release.limits.idle;
        exchange.deadline.allow_per_byte(idle);
        upstream.send_apart();
        Self { upstream: Some(upstream), keep, target, exchange, clock: Rc::clone(clock) }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
        if self.exchange.waits_for_client() {
            return Poll::Pending;
        }
        match upstream.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(record), Some(data)) = (self.exchange.record(), frame.data_ref()) {
                    record.sent.set(record.sent.get() + data.len() as u64);
                }
                self.exchange.deadline.allow(self.exchange.release().release.limits.idle);
                if upstream.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.broken(error.into()),
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending if self.exchange.deadline.is_over() => {
                self.broken("the target sent nothing for too long".into())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.as_ref().is_none_or(Upstream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.upstream.as_ref().map_or_else(|| SizeHint::with_exact(0), Upstream::size_hint)
    }

    /// Breaks the answer off: it is never made to look complete.
    fn broken(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.upstream = None;
        self.exchange.failed(Fault::Body);
        Poll::Ready(Some(Err(error)))
    }

    /// The body is over: keeps the connection, if that can be kept.
    fn finish(&mut self) {
        // A target that has answered to the end, and has not asked for the body before it, gets none
        // of it: nothing else can follow on that connection.
        if let Some(upstream) = self.upstream.take()
            && self.exchange.sending() != Sending::Held
        {
            self.exchange.release().pool(self.target).put(&self.clock, upstream, self.keep);
        }
    }
}

impl Drop for Download {
    /// hyper drops a body that says it is at its end without polling it: answers to HEAD, 204, 304.
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.finish();
        }
    }
}
