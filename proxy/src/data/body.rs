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
        Self(Some(Box::new(Upload { incoming, gate: None, left, exchange })))
    }

    /// Holds the body back until `gate` is open.
    pub(super) fn hold(&mut self, gate: Gate) {
        if let Some(upload) = &mut self.0 {
            upload.exchange.held();
            upload.gate = Some(gate);
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
        let Upload { incoming, gate, left, exchange } = &mut **upload;
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
        self.0.as_ref().is_none_or(|upload| upload.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |upload| upload.incoming.size_hint())
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
    incoming: Incoming,
    /// The connection it comes on; `None` once that is driven elsewhere, pooled or gone.
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
            Kind::Forward(download) => download.incoming.is_end_stream(),
            Kind::Own(text) => text.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Forward(download) => download.incoming.size_hint(),
            Kind::Own(text) => text.size_hint(),
        }
    }
}

impl Download {
    /// The body `incoming` from target number `target`, on `upstream`, which the target means to
    /// `keep` open.
    pub(super) fn new(
        incoming: Incoming,
        (upstream, keep): (Upstream, bool),
        target: usize,
        exchange: Rc<Exchange>,
        clock: &Rc<Clock>,
    ) -> Self {
        let idle = exchange.release().release.limits.idle;
        exchange.deadline.allow_per_byte(idle);
        let mut download = Self {
            incoming,
            upstream: Some(upstream),
            keep,
            target,
            exchange,
            clock: Rc::clone(clock),
        };
        if download.exchange.sending() == Sending::Held {
            // The target has answered without the body, which now will never be sent: nothing else
            // can follow on that connection.
            download.keep = false;
        } else if download.exchange.sending() != Sending::Done {
            // hyper stops polling this body while the client does not read, and the upload would
            // stall with it; so the connection moves to a task that is always polled.
            download.upstream = download.upstream.take().and_then(Upstream::detach);
        }
        download
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.upstream {
            Some(upstream) => upstream.poll_frame(&mut self.incoming, cx),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(record), Some(data)) = (self.exchange.record(), frame.data_ref()) {
                    record.sent.set(record.sent.get() + data.len() as u64);
                }
                self.exchange.deadline.allow(self.exchange.release().release.limits.idle);
                if self.incoming.is_end_stream() {
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

    /// Breaks the answer off: it is never made to look complete.
    fn broken(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.upstream = None;
        self.exchange.failed(Fault::Body);
        Poll::Ready(Some(Err(error)))
    }

    /// The body is over: keeps the connection, if the target keeps it. Whether it can take another
    /// request is seen when it is taken: looking now would make hyper prepare a read buffer while
    /// the last piece of the body still occupies the old one.
    fn finish(&mut self) {
        if let Some(upstream) = self.upstream.take()
            && self.keep
        {
            self.exchange.release().pools[self.target].put(&self.clock, upstream);
        }
    }
}

impl Drop for Download {
    /// hyper drops a body that says it is at its end without polling it: answers to HEAD, 204, 304.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }
}
