//! A request on its way to a target.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderName, request};
use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::super::super::body::RequestBody;
use crate::codec::request::{
    CHUNK_END, Coding, END, LAST_CHUNK_END, declared, write_chunk_size, write_head, write_trailers,
};
use crate::reach::Stream;

/// As much room for a head as is kept for the next request.
const KEEP: usize = 4096;

/// A request that is being written.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The head, or what comes before a chunk.
    text: Vec<u8>,
    /// How much of it was written.
    written: usize,
    /// A piece of the body, behind it.
    piece: Bytes,
    /// What comes behind that.
    tail: &'static [u8],
    body: RequestBody,
    coding: Coding,
    /// What may follow the body.
    trailers: Vec<HeaderName>,
    /// Bytes written so far.
    sent: u64,
    state: State,
}

/// How far the body has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// There is more of it to take.
    Body,
    /// All of it was taken.
    Ended,
    /// All of it was written, and nothing is left in between. So it is before the first request.
    #[default]
    Done,
    /// It has failed, and must never be made to look complete.
    Broken,
}

impl Outgoing {
    /// Takes the next request.
    pub(super) fn begin(&mut self, head: &request::Parts, body: RequestBody) {
        let coding = match body.size_hint().exact() {
            _ if body.is_end_stream() => Coding::None,
            Some(length) => Coding::Length(length),
            None => Coding::Chunked,
        };
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(KEEP);
        write_head(&mut text, head, coding);
        let trailers = if coding == Coding::Chunked { declared(&head.headers) } else { Vec::new() };
        let state = if coding == Coding::None { State::Ended } else { State::Body };
        *self = Self { text, body, coding, trailers, state, ..Self::default() };
    }

    /// Writes until all is written, the stream takes no more, or the body has no more for now.
    pub(super) fn poll(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state == State::Done {
            return Poll::Ready(Ok(()));
        }
        loop {
            let more = self.poll_piece(cx).map_err(|error| {
                self.state = State::Broken;
                error
            })?;
            while self.is_waiting() {
                let text = IoSlice::new(&self.text[self.written..]);
                let bufs = [text, IoSlice::new(&self.piece), IoSlice::new(self.tail)];
                match ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &bufs))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    length => self.advance(length),
                }
            }
            if self.state == State::Ended || more.is_pending() {
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
            }
            if self.state == State::Ended {
                self.state = State::Done;
                // It holds its exchange, which must not last as long as the connection is kept.
                self.body = RequestBody::default();
                return Poll::Ready(Ok(()));
            }
            ready!(more);
        }
    }

    /// Takes a piece of the body, if there is none: it is written together with what comes before it.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state == State::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        while self.state == State::Body && self.piece.is_empty() && self.tail.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => self.put(data)?,
                    Err(frame) => self.end(frame.trailers_ref())?,
                },
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => self.end(None)?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, data: Bytes) -> io::Result<()> {
        let mut last = self.body.is_end_stream();
        match &mut self.coding {
            Coding::Chunked => {
                self.make_room();
                write_chunk_size(&mut self.text, data.len());
                self.tail = if last { LAST_CHUNK_END } else { CHUNK_END };
            }
            Coding::Length(left) => {
                // What frames the next request must not depend on a client.
                *left = left.checked_sub(data.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
                last = *left == 0;
            }
            Coding::None => return Err(io::ErrorKind::InvalidData.into()),
        }
        if last {
            self.state = State::Ended;
        }
        self.piece = data;
        Ok(())
    }

    fn end(&mut self, trailers: Option<&http::HeaderMap>) -> io::Result<()> {
        match (self.coding, trailers) {
            (Coding::Chunked, Some(trailers)) => {
                self.make_room();
                write_trailers(&mut self.text, trailers, &self.trailers);
            }
            (Coding::Chunked, None) => self.tail = END,
            (Coding::Length(1..), _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (Coding::Length(0) | Coding::None, _) => {}
        }
        self.state = State::Ended;
        Ok(())
    }

    /// Forgets what was written of the text.
    fn make_room(&mut self) {
        self.text.drain(..self.written);
        self.written = 0;
    }

    fn is_waiting(&self) -> bool {
        self.written < self.text.len() || !self.piece.is_empty() || !self.tail.is_empty()
    }

    fn advance(&mut self, length: usize) {
        self.sent += length as u64;
        let text = length.min(self.text.len() - self.written);
        let piece = (length - text).min(self.piece.len());
        self.written += text;
        self.piece.advance(piece);
        self.tail = &self.tail[length - text - piece..];
    }

    /// The target wants the body.
    pub(super) fn go_on(&mut self) {
        self.body.go_on();
    }

    /// How many bytes of the request were written.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether all of the request was written.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Done
    }

    /// The body, if nothing of the request was written: as it was.
    pub(super) fn take_unsent(&mut self) -> Option<RequestBody> {
        if self.sent > 0 || self.state == State::Broken {
            return None;
        }
        self.body.put_back(std::mem::take(&mut self.piece));
        Some(std::mem::take(&mut self.body))
    }
}
