//! Where in the frames one direction of a tunnel is.

use super::Sender;
use super::header::{self, Header, Kind, NoFrame};

/// Where in the frames of one direction the byte is that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Within a frame: nothing may be put in here.
    InFrame,
    /// Between two frames of one message. A control frame may come here (RFC 6455 5.4).
    InMessage,
    /// Between two messages.
    BetweenMessages,
    /// After a close frame: nothing follows (RFC 6455 5.5.1).
    Closed,
    /// What came is not WebSocket: nobody knows where a frame would begin.
    Lost,
}

impl Position {
    /// Whether a control frame may be put in here.
    pub fn is_between_frames(self) -> bool {
        matches!(self, Self::InMessage | Self::BetweenMessages)
    }
}

/// Follows the bytes of one direction without keeping any but those of a header that is not whole.
#[derive(Clone, Debug)]
pub struct Tracker {
    sender: Sender,
    /// The header that has begun.
    head: [u8; header::LONGEST],
    /// How many bytes of it are there.
    filled: usize,
    /// Bytes of payload still to come.
    left: u64,
    /// The frame whose payload runs closes.
    closing: bool,
    /// Between frames: what has been reached.
    reached: Position,
}

impl Tracker {
    /// At the first byte after the handshake, of what `sender` sends.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            head: [0; header::LONGEST],
            filled: 0,
            left: 0,
            closing: false,
            reached: Position::BetweenMessages,
        }
    }

    /// Where the next byte is.
    pub fn position(&self) -> Position {
        if self.is_over() || self.filled == 0 && self.left == 0 {
            self.reached
        } else {
            Position::InFrame
        }
    }

    /// Takes in `bytes`, which follow what came before, and says where the next one is.
    pub fn advance(&mut self, bytes: &[u8]) -> Position {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.advance_to_frame_end(rest);
            rest = &rest[taken..];
        }
        self.position()
    }

    /// Takes in `bytes`, but at most to the end of the frame they begin in, and returns how many
    /// that were: at least one, unless there is none.
    pub fn advance_to_frame_end(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += self.take(&bytes[at..]);
            if self.position().is_between_frames() {
                break;
            }
        }
        at
    }

    /// Nothing more can be learnt.
    fn is_over(&self) -> bool {
        matches!(self.reached, Position::Closed | Position::Lost)
    }

    /// Takes in some of `bytes`, at least one, and not beyond the end of a header or payload.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.is_over() {
            return bytes.len();
        }
        if self.left > 0 {
            let taken =
                usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.left -= taken as u64;
            if self.left == 0 && self.closing {
                self.reached = Position::Closed;
            }
            return taken;
        }
        self.head(bytes).unwrap_or_else(|NoFrame| {
            self.reached = Position::Lost;
            bytes.len()
        })
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, NoFrame> {
        // Of the first two bytes, or of the whole.
        let size = match self.filled {
            0 | 1 => 2,
            _ => header::size(self.head[0], self.head[1], self.sender)?,
        };
        let taken = (size - self.filled).min(bytes.len());
        self.head[self.filled..][..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        if self.filled >= 2 && self.filled == header::size(self.head[0], self.head[1], self.sender)?
        {
            let header = header::parse(&self.head[..self.filled])?;
            self.filled = 0;
            self.enter(header)?;
        }
        Ok(taken)
    }

    fn enter(&mut self, header: Header) -> Result<(), NoFrame> {
        let in_message = self.reached == Position::InMessage;
        self.left = header.length;
        match header.kind {
            Kind::Ping => {}
            Kind::Close if header.length == 0 => self.reached = Position::Closed,
            Kind::Close => self.closing = true,
            // A message ends before the next begins (RFC 6455 5.4).
            Kind::First if in_message => return Err(NoFrame),
            Kind::Continuation if !in_message => return Err(NoFrame),
            Kind::First | Kind::Continuation => {
                self.reached =
                    if header.fin { Position::BetweenMessages } else { Position::InMessage };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
