//! What a client of HTTP/2 sends, frame by frame (RFC 9113 4.1), as far as it must be known to bound
//! what it costs.
//!
//! The library behind hyper bounds the memory that frames can take; it does not bound how many a
//! client may send in a second, nor for how long it may leave a header block open. Only the nine
//! bytes in front of each frame are looked at.

use std::time::Duration;

use shunt_config::proxy_file::Http2;
use thiserror::Error;

use super::framing::{self, Framing, HEADER};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const PROTOCOL_ERROR: u32 = 0x1;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// On SETTINGS and PING: it answers one of ours. On DATA and HEADERS: the stream ends with it.
const ACK_OR_END_STREAM: u8 = 0x1;
/// On HEADERS and CONTINUATION: the header block ends with it.
const END_HEADERS: u8 = 0x4;

/// What of a stream's number counts (RFC 9113 4.1).
const STREAM: u32 = u32::MAX >> 1;

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Abuse {
    /// RFC 9113 3.4.
    #[error("the first frame is not SETTINGS")]
    NoSettings,
    /// CVE-2023-44487.
    #[error("streams are reset too often")]
    Resets,
    /// CVE-2019-9512, CVE-2019-9515, CVE-2019-9518.
    #[error("too many frames that carry nothing")]
    Control,
    /// It would keep its connection from being idle for ever.
    #[error("a header block does not end")]
    HeaderBlock,
}

impl Abuse {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSettings => "http2_no_settings",
            Self::Resets => "http2_resets",
            Self::Control => "http2_control_frames",
            Self::HeaderBlock => "http2_header_block",
        }
    }

    /// What the client is told (RFC 9113 7). A bad preface is an error of protocol (RFC 9113 3.4).
    pub(super) fn code(self) -> u32 {
        match self {
            Self::NoSettings => PROTOCOL_ERROR,
            Self::Resets | Self::Control | Self::HeaderBlock => ENHANCE_YOUR_CALM,
        }
    }
}

/// The frames of one connection so far, from after the preface on.
#[derive(Debug)]
pub struct Frames {
    framing: Framing,
    begun: bool,
    in_header_block: bool,
    /// The highest stream that was opened.
    last: u32,
    resets: Rate,
    control: Rate,
}

impl Frames {
    /// A connection's, of which `skip` bytes are still those of the preface, under the rates of
    /// `limits`.
    pub fn new(skip: usize, limits: &Http2) -> Self {
        Self {
            framing: Framing::new(skip),
            begun: false,
            in_header_block: false,
            last: 0,
            resets: Rate::new(limits.resets_per_second),
            control: Rate::new(limits.control_frames_per_second),
        }
    }

    /// Looks at `bytes`, which came at `now`, counted from any fixed moment.
    ///
    /// # Errors
    ///
    /// [`Abuse`], after which the connection is to be ended.
    pub fn look(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Abuse> {
        while let Some(header) = self.framing.next(&mut bytes) {
            self.frame(&header, now)?;
        }
        Ok(())
    }

    /// The highest stream that the client has opened; 0 for none.
    pub(super) fn last_stream(&self) -> u32 {
        self.last
    }

    /// Whether a header block has begun and not ended.
    pub fn is_in_header_block(&self) -> bool {
        self.in_header_block
    }

    fn frame(&mut self, header: &[u8; HEADER], now: Duration) -> Result<(), Abuse> {
        let [_, _, _, kind, flags, stream @ ..] = *header;
        if !self.begun && (kind != SETTINGS || flags & ACK_OR_END_STREAM != 0) {
            return Err(Abuse::NoSettings);
        }
        // Those that begin a connection are no flood.
        let first = !std::mem::replace(&mut self.begun, true);
        let empty = framing::length(header) == 0;
        let ack = flags & ACK_OR_END_STREAM != 0;
        let counted = match kind {
            RST_STREAM => Some((&mut self.resets, Abuse::Resets)),
            SETTINGS | PING => (!first && !ack).then_some((&mut self.control, Abuse::Control)),
            PRIORITY => Some((&mut self.control, Abuse::Control)),
            DATA if empty && !ack => Some((&mut self.control, Abuse::Control)),
            HEADERS | CONTINUATION if empty => Some((&mut self.control, Abuse::Control)),
            _ => None,
        };
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_header_block = flags & END_HEADERS == 0;
            self.last = self.last.max(u32::from_be_bytes(stream) & STREAM);
        }
        match counted {
            Some((rate, abuse)) => rate.count(now).then_some(()).ok_or(abuse),
            None => Ok(()),
        }
    }
}

/// How many in this second.
#[derive(Debug)]
struct Rate {
    most: u32,
    count: u32,
    since: Duration,
}

impl Rate {
    fn new(most: u32) -> Self {
        Self { most, count: 0, since: Duration::ZERO }
    }

    /// Counts one more; whether it may be.
    fn count(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.since) >= Duration::from_secs(1) {
            (self.count, self.since) = (0, now);
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> Http2 =
        || Http2 { resets_per_second: 2, control_frames_per_second: 3, ..Http2::default() };
    const START: Duration = Duration::from_millis(500);

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// What comes of `frames` after the preface and SETTINGS, however the bytes are cut.
    fn look(frames: &[Vec<u8>]) -> Result<Frames, Abuse> {
        let all = [vec![0; 24], frame(SETTINGS, 0, &[])].concat();
        let all = [all, frames.concat()].concat();
        let whole = {
            let mut looking = Frames::new(24, &LIMITS());
            looking.look(&all, START).map(|()| looking)
        };
        let mut looking = Frames::new(24, &LIMITS());
        let bytewise = all.iter().try_for_each(|b| looking.look(&[*b], START));
        assert_eq!(whole.as_ref().err(), bytewise.as_ref().err());
        whole
    }

    #[test]
    fn the_first_frame_is_settings() {
        for wrong in [frame(PING, 0, &[0; 8]), frame(SETTINGS, ACK_OR_END_STREAM, &[])] {
            let mut frames = Frames::new(24, &LIMITS());
            frames.look(&[0; 24], START).unwrap();
            assert_eq!(frames.look(&wrong, START), Err(Abuse::NoSettings));
        }
    }

    #[test]
    fn resets_and_empty_frames_are_bounded_each_by_its_own_rate() {
        let reset = || frame(RST_STREAM, 0, &[0, 0, 0, 8]);
        assert!(look(&[reset(), reset()]).is_ok());
        assert_eq!(look(&[reset(), reset(), reset()]).unwrap_err(), Abuse::Resets);
        for (name, idle) in [
            ("ping", frame(PING, 0, &[0; 8])),
            ("settings", frame(SETTINGS, 0, &[])),
            ("priority", frame(PRIORITY, 0, &[0; 5])),
            ("empty data", frame(DATA, 0, &[])),
            ("empty headers", frame(HEADERS, END_HEADERS, &[])),
            ("empty continuation", frame(CONTINUATION, 0, &[])),
        ] {
            assert!(look(&vec![idle.clone(); 3]).is_ok(), "{name}");
            assert_eq!(look(&vec![idle; 4]).unwrap_err(), Abuse::Control, "{name}");
        }
    }

    #[test]
    fn what_carries_or_answers_something_is_not_bounded() {
        for (name, useful) in [
            ("data", frame(DATA, 0, b"x")),
            ("the end of a body", frame(DATA, ACK_OR_END_STREAM, &[])),
            ("headers", frame(HEADERS, END_HEADERS, b"x")),
            ("window update", frame(8, 0, &[0; 4])),
            ("an answer to ping", frame(PING, ACK_OR_END_STREAM, &[0; 8])),
            ("an answer to settings", frame(SETTINGS, ACK_OR_END_STREAM, &[])),
        ] {
            assert!(look(&vec![useful; 100]).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_new_second_begins_a_new_count() {
        let mut frames = look(&vec![frame(PING, 0, &[0; 8]); 3]).unwrap();
        let ping = frame(PING, 0, &[0; 8]);
        let soon = START + Duration::from_millis(499);
        assert_eq!(frames.look(&ping, soon), Err(Abuse::Control));
        let later = START + Duration::from_secs(1);
        let mut frames = look(&vec![frame(PING, 0, &[0; 8]); 3]).unwrap();
        frames.look(&ping, later).unwrap();
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame() {
        let open = look(&[frame(HEADERS, 0, b"x")]).unwrap();
        assert!(open.is_in_header_block());
        let open = look(&[frame(HEADERS, 0, b"x"), frame(CONTINUATION, 0, b"y")]).unwrap();
        assert!(open.is_in_header_block());
        let closed = look(&[frame(HEADERS, 0, b"x"), frame(CONTINUATION, END_HEADERS, b"y")]);
        assert!(!closed.unwrap().is_in_header_block());
    }
}
