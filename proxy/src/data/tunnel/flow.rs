//! One direction of a tunnel.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::websocket::{Position, Tracker};

/// The most that is read before it is written, and so the most that waits in one direction.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// What all tunnels of a thread read into: an idle one holds no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// One direction of a tunnel.
#[derive(Debug)]
pub(super) struct Flow {
    /// What was read and not written yet.
    waiting: Bytes,
    /// Follows what was written, if that is WebSocket.
    tracker: Option<Tracker>,
    stage: Stage,
    /// Something was written that may wait in a buffer below.
    unflushed: bool,
    /// What comes goes nowhere any more: it is read and followed, not written.
    deaf: bool,
    /// Bytes of the one side that the other took.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Bytes may come.
    Open,
    /// The one side has ended; the other is being told.
    Ending,
    /// Both know.
    Over,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of the stream.
    End,
    /// The next place between two frames.
    FrameEnd,
}

/// What came of a poll.
#[derive(Debug)]
pub(super) enum Flowed {
    /// The stream is over and the other side knows.
    Over,
    /// The place is reached.
    FrameEnd,
    /// The side that is read from failed.
    ReadFailed,
    /// The side that is written to failed.
    WriteFailed,
}

impl Flow {
    /// A direction whose first bytes, `early`, are already read.
    pub(super) fn new(early: Bytes, tracker: Option<Tracker>) -> Self {
        Self {
            waiting: early,
            tracker,
            stage: Stage::Open,
            unflushed: false,
            deaf: false,
            bytes: 0,
        }
    }

    /// Whether the one side has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether nothing more can reach the other side.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over || self.deaf
    }

    /// From now on what comes is read, or nobody would see how the one side ends, and goes nowhere.
    pub(super) fn deafen(&mut self) {
        self.deaf = true;
        self.waiting = Bytes::new();
    }

    /// Where in its frames it is; `None` if it has none.
    pub(super) fn position(&self) -> Option<Position> {
        self.tracker.as_ref().map(Tracker::position)
    }

    /// Moves bytes as far as they go without waiting. Reads no more while something waits to be
    /// written: that is the back-pressure.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
        until: Until,
    ) -> Poll<Flowed> {
        loop {
            if until == Until::FrameEnd && self.stage == Stage::Open && self.is_at_frame_end() {
                return Poll::Ready(Flowed::FrameEnd);
            }
            match self.stage {
                Stage::Open if !self.waiting.is_empty() => {
                    let mut waiting = std::mem::take(&mut self.waiting);
                    let piece = match until {
                        Until::End => waiting.len(),
                        Until::FrameEnd => self.to_frame_end(&waiting),
                    };
                    let written = self.poll_write(cx, to.as_mut(), &waiting[..piece]);
                    if let Poll::Ready(Ok(n)) = written {
                        waiting.advance(n);
                    }
                    self.waiting = waiting;
                    if ready!(written).is_err() {
                        return Poll::Ready(Flowed::WriteFailed);
                    }
                }
                Stage::Open => match self.poll_read(cx, from.as_mut(), to.as_mut(), until) {
                    Poll::Ready(Some(failed)) => return Poll::Ready(failed),
                    Poll::Ready(None) => {}
                    Poll::Pending => {
                        if self.unflushed && !self.deaf {
                            match ready!(to.as_mut().poll_flush(cx)) {
                                Ok(()) => self.unflushed = false,
                                Err(_) => return Poll::Ready(Flowed::WriteFailed),
                            }
                        }
                        return Poll::Pending;
                    }
                },
                Stage::Ending if self.deaf => self.stage = Stage::Over,
                Stage::Ending => {
                    let told = ready!(to.as_mut().poll_shutdown(cx));
                    self.stage = Stage::Over;
                    if told.is_err() {
                        return Poll::Ready(Flowed::WriteFailed);
                    }
                }
                Stage::Over => return Poll::Ready(Flowed::Over),
            }
        }
    }

    /// Replaces what waits by `last`, the proxy's own; [`Self::poll_last`] writes it.
    pub(super) fn say_last(&mut self, last: Bytes) {
        self.waiting = last;
        // It is not of the one side.
        self.tracker = None;
    }

    /// Writes what waits and makes sure that it is on its way.
    pub(super) fn poll_last(
        &mut self,
        cx: &mut Context<'_>,
        mut to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let n = ready!(to.as_mut().poll_write(cx, &self.waiting))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(n);
        }
        to.poll_flush(cx)
    }

    fn is_at_frame_end(&self) -> bool {
        self.position().is_some_and(|p| p.is_between_frames() || p == Position::Closed)
    }

    /// How many of `bytes` belong to the frame that is under way.
    fn to_frame_end(&self, bytes: &[u8]) -> usize {
        self.tracker.clone().map_or(bytes.len(), |mut ahead| ahead.advance_to_frame_end(bytes))
    }

    /// Reads a piece and writes it at once; what the other side does not take waits.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
        until: Until,
    ) -> Poll<Option<Flowed>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut piece = ReadBuf::new(scratch);
            if ready!(from.poll_read(cx, &mut piece)).is_err() {
                return Poll::Ready(Some(Flowed::ReadFailed));
            }
            let mut rest = piece.filled();
            if rest.is_empty() {
                self.stage = Stage::Ending;
            }
            // To a frame's end it is written from what waits, a frame at a time.
            while until == Until::End && !rest.is_empty() {
                match self.poll_write(cx, to.as_mut(), rest) {
                    Poll::Ready(Ok(n)) => rest = &rest[n..],
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Flowed::WriteFailed)),
                    Poll::Pending => break,
                }
            }
            self.waiting = Bytes::copy_from_slice(rest);
            Poll::Ready(None)
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: Pin<&mut impl AsyncWrite>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = if self.deaf { bytes.len() } else { ready!(to.poll_write(cx, bytes))? };
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.advance(&bytes[..n]);
        }
        if !self.deaf {
            self.bytes += n as u64;
            self.unflushed = true;
        }
        Poll::Ready(Ok(n))
    }
}
