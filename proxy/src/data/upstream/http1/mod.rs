//! HTTP/1.1 towards targets: a connection for one request at a time, driven by whoever uses it.
//!
//! Not hyper's: that has a task, channels and buffers between whoever asks and the socket, and keeps of
//! a body that nobody takes as much as it likes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Method, StatusCode, request, response};
use hyper::body::{Frame, SizeHint};

use super::super::body::RequestBody;
use super::{Break, SendFailed, Terms};
use crate::codec::body::Body;
use crate::codec::framing::Framing;
use crate::codec::{Malformed, head};
use crate::reach::Stream;

mod outgoing;
mod pump;
mod room;

use outgoing::Outgoing;
use pump::Pump;

/// Interim answers before the final one: each takes some work, and none is passed on but the first
/// `100 Continue`.
const INTERIM: u32 = 100;

/// A connection to a target.
#[derive(Debug)]
pub(in crate::data) struct Upstream {
    /// Shared with the [`Pump`], if there is one.
    stream: Rc<RefCell<Stream>>,
    outgoing: Outgoing,
    /// What writes the rest of the request, if that is not done by whoever reads the answer.
    pump: Option<Pump>,
    /// Read and not yet handed on.
    unread: Bytes,
    /// A head that is not whole.
    part: Vec<u8>,
    /// The body of the answer.
    body: Body,
    /// The most that is read of it at a time.
    most: usize,
    /// How long nothing may move.
    idle: Duration,
}

impl Upstream {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream: Rc::new(RefCell::new(stream)),
            outgoing: Outgoing::default(),
            pump: None,
            unread: Bytes::new(),
            part: Vec::new(),
            body: Body::NONE,
            most: 0,
            idle: Duration::ZERO,
        }
    }

    /// Whether it can take a request: its target has neither closed it nor sent what nobody asked for.
    pub(in crate::data) fn is_alive(&self, cx: &mut Context<'_>) -> bool {
        room::poll_read(&mut self.stream.borrow_mut(), 1, cx).is_pending()
    }

    /// See [`super::Upstream::send`].
    pub(super) async fn send(
        &mut self,
        head: &request::Parts,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<response::Parts, SendFailed> {
        self.most = terms.piece;
        self.idle = terms.idle;
        self.outgoing.begin(head, body);
        let mut interim = 0;
        poll_fn(|cx| match self.poll_answer(&head.method, &mut interim, cx) {
            Poll::Pending if terms.deadline.is_over() => Poll::Ready(Err(SendFailed::Overdue)),
            polled => polled,
        })
        .await
    }

    /// Writes as much of the request as goes without waiting, and reads the head of the answer.
    fn poll_answer(
        &mut self,
        asked: &Method,
        interim: &mut u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<response::Parts, SendFailed>> {
        loop {
            let written = self.outgoing.poll(&mut self.stream.borrow_mut(), cx);
            let mut head = match self.poll_head(cx) {
                Poll::Ready(Ok(head)) => head,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(error, *interim))),
                // A target may answer and close before it has read all.
                Poll::Pending => match written {
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(self.failed(Break::Io(error), *interim)));
                    }
                    _ => return Poll::Pending,
                },
            };
            if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
                *interim += 1;
                if *interim > INTERIM {
                    let endless = Malformed::Part("number of interim answers");
                    return Poll::Ready(Err(SendFailed::Broken(endless.into())));
                }
                if head.status == StatusCode::CONTINUE {
                    self.outgoing.go_on();
                }
                continue;
            }
            return Poll::Ready(match Framing::of(asked, &mut head) {
                Ok(framing) => {
                    self.body = Body::new(framing);
                    Ok(head)
                }
                Err(malformed) => Err(SendFailed::Broken(malformed.into())),
            });
        }
    }

    /// Why the request has got no answer but `interim` ones.
    fn failed(&mut self, error: Break, interim: u32) -> SendFailed {
        let silent = interim == 0 && self.unread.is_empty() && self.part.is_empty();
        match error {
            Break::Closed | Break::Io(_) if silent => match self.outgoing.take_unsent() {
                Some(body) => SendFailed::Unsent(body),
                None => SendFailed::Silent(error),
            },
            error => SendFailed::Broken(error),
        }
    }

    /// The next head.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<response::Parts, Break>> {
        loop {
            if !self.unread.is_empty() {
                let before = self.part.len();
                let read = if before == 0 {
                    head::read(&self.unread)?
                } else {
                    self.part.extend_from_slice(&self.unread);
                    head::read(&Bytes::copy_from_slice(&self.part))?
                };
                if let Some((length, head)) = read {
                    self.unread.advance(length - before);
                    self.part = Vec::new();
                    return Poll::Ready(Ok(head));
                }
                if before == 0 {
                    self.part.extend_from_slice(&self.unread);
                }
                self.unread = Bytes::new();
            }
            self.unread = ready!(self.poll_read(cx))?;
        }
    }

    /// Some bytes of the target.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Break>> {
        match ready!(room::poll_read(&mut self.stream.borrow_mut(), self.most, cx)) {
            Ok(bytes) if bytes.is_empty() => Poll::Ready(Err(Break::Closed)),
            Ok(bytes) => Poll::Ready(Ok(bytes)),
            Err(error) => Poll::Ready(Err(Break::Io(error))),
        }
    }

    /// See [`super::Upstream::poll_frame`].
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        loop {
            match self.body.take(&mut self.unread) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.body.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Some(Err(malformed.into()))),
            }
            match ready!(self.poll_read(cx)) {
                Ok(bytes) => self.unread = bytes,
                Err(Break::Closed) if self.body.close() => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// See [`super::Upstream::is_end_stream`].
    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_over()
    }

    /// See [`super::Upstream::size_hint`].
    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// See [`super::Upstream::send_apart`].
    pub(super) fn send_apart(&mut self) {
        if !self.outgoing.is_over() {
            let outgoing = std::mem::take(&mut self.outgoing);
            self.pump = Some(Pump::start(Rc::clone(&self.stream), outgoing));
        }
    }

    /// Whether it can take another request: both messages are over, and nothing follows the answer.
    pub(in crate::data) fn is_reusable(&self) -> bool {
        self.outgoing.is_over()
            && self.pump.is_none()
            && self.body.is_over()
            && self.unread.is_empty()
    }

    /// Ends it: the answer is over, and the target may still take the rest of the request.
    pub(in crate::data) fn leave(self) {
        if let Some(pump) = self.pump {
            pump.leave(self.idle);
        }
    }

    /// See [`super::Upstream::into_switched`].
    pub(super) fn into_switched(self) -> Option<(Stream, Bytes)> {
        let stream = Rc::try_unwrap(self.stream).ok()?.into_inner();
        Some((stream, self.unread))
    }
}
