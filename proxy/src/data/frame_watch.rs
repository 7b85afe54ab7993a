//! Who looks at the frames of an HTTP/2 client, and has the last word if they are too many.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::clock::{Clock, Moment};
use super::deadline::Deadline;
use super::frames::{Abuse, Frames};
use super::framing::{Framing, HEADER};
use super::http2::PREFACE;
use super::plane::ClientLimits;

/// A frame of type GOAWAY: its header, the last stream, and the reason (RFC 9113 6.8).
type GoAway = [u8; HEADER + 8];
const GOAWAY: u8 = 7;

/// Who looks at the frames of an HTTP/2 client.
#[derive(Debug)]
pub(super) struct FrameWatch {
    frames: Frames,
    /// What was written to the client.
    written: Framing,
    /// The highest stream that hyper has heard of.
    last: u32,
    clock: Rc<Clock>,
    /// Until when the header block that has begun is to end.
    block: Rc<Deadline>,
    /// How long one may take.
    head: Duration,
    abuse: Rc<Cell<Option<Abuse>>>,
}

impl FrameWatch {
    /// A watch over a connection of which the preface has not been handed on yet. `block` is set for as
    /// long as a header block is open, and `abuse` once the connection is to end for one.
    pub(super) fn new(
        limits: &ClientLimits,
        clock: &Rc<Clock>,
        block: &Rc<Deadline>,
        abuse: &Rc<Cell<Option<Abuse>>>,
    ) -> Self {
        Self {
            frames: Frames::new(PREFACE.len(), &limits.http2),
            written: Framing::new(0),
            last: 0,
            clock: Rc::clone(clock),
            block: Rc::clone(block),
            head: limits.client.head,
            abuse: Rc::clone(abuse),
        }
    }

    /// Looks at `bytes` of the client, which hyper gets if there is nothing wrong with them.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(), Abuse> {
        let before = self.frames.is_in_header_block();
        self.frames
            .look(bytes, self.clock.now().since(Moment::default()))
            .inspect_err(|abuse| self.abuse.set(Some(*abuse)))?;
        self.last = self.frames.last_stream();
        let now = self.frames.is_in_header_block();
        if now != before {
            self.block.restart(now.then_some(self.head));
        }
        Ok(())
    }

    /// What is wrong with a client that sends nothing, if anything is.
    pub(super) fn late(&self) -> Option<Abuse> {
        self.block.is_over().then_some(Abuse::HeaderBlock).inspect(|a| self.abuse.set(Some(*a)))
    }

    /// `bytes` were written to the client.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        while self.written.next(&mut bytes).is_some() {}
    }

    /// What tells the client why it is cut off; `None` in the midst of another frame.
    pub(super) fn farewell(&self, abuse: Abuse) -> Option<GoAway> {
        self.written.is_between().then(|| {
            let mut frame = [0; HEADER + 8];
            (frame[2], frame[3]) = (8, GOAWAY);
            frame[9..13].copy_from_slice(&self.last.to_be_bytes());
            frame[13..].copy_from_slice(&abuse.code().to_be_bytes());
            frame
        })
    }
}
