//! The header of one frame (RFC 6455 5.2).

use super::Sender;

/// The longest header: two bytes, a length of 64 bits and a mask of 32.
pub const LONGEST: usize = 14;

/// What a frame is, as far as it matters where frames begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text or binary: the first frame of a message.
    First,
    /// A later frame of a message.
    Continuation,
    /// Close.
    Close,
    /// Ping or pong: allowed between the frames of a message (RFC 6455 5.4).
    Ping,
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Whether it is the last of its message.
    pub fin: bool,
    /// Bytes of payload that follow.
    pub length: u64,
}

/// The bytes are no frame of WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a WebSocket frame")]
pub struct NoFrame;

/// How long the header is that begins with these two bytes from `sender`.
///
/// Refuses what RFC 6455 forbids and what belongs to an extension that nobody uses: reserved
/// opcodes, RSV2 and RSV3, RSV1 (compression, RFC 7692) on a control frame, a control frame that is
/// long or in parts (5.5), a mask on the wrong side (5.1).
pub fn size(first: u8, second: u8, sender: Sender) -> Result<usize, NoFrame> {
    let (fin, rsv1, reserved) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x30 != 0);
    let (masked, length) = (second & 0x80 != 0, second & 0x7f);
    let control = first & 0x08 != 0;
    kind(first)?;
    let short_and_whole = fin && length <= 125 && !rsv1;
    if reserved || control && !short_and_whole || masked != (sender == Sender::Client) {
        return Err(NoFrame);
    }
    let extended = match length {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    Ok(2 + extended + if masked { 4 } else { 0 })
}

fn kind(first: u8) -> Result<Kind, NoFrame> {
    match first & 0x0f {
        0 => Ok(Kind::Continuation),
        1 | 2 => Ok(Kind::First),
        8 => Ok(Kind::Close),
        9 | 10 => Ok(Kind::Ping),
        _ => Err(NoFrame),
    }
}

/// Reads a header that is whole, as [`size`] says of its first two bytes.
///
/// Refuses lengths that are not in their shortest form, or over 2^63-1.
pub fn parse(header: &[u8]) -> Result<Header, NoFrame> {
    let [first, second, rest @ ..] = header else { return Err(NoFrame) };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let (length, shortest, longest) = match second & 0x7f {
        126 => (number(rest.get(..2).ok_or(NoFrame)?), 126, u64::from(u16::MAX)),
        127 => (number(rest.get(..8).ok_or(NoFrame)?), 1 << 16, i64::MAX.unsigned_abs()),
        short => (u64::from(short), 0, 125),
    };
    if !(shortest..=longest).contains(&length) {
        return Err(NoFrame);
    }
    Ok(Header { kind: kind(*first)?, fin: first & 0x80 != 0, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_sizes_of_rfc_6455_5_2() {
        for (second, sender, bytes) in [
            (0, Sender::Server, 2),
            (125, Sender::Server, 2),
            (126, Sender::Server, 4),
            (127, Sender::Server, 10),
            (0x80, Sender::Client, 6),
            (0xfe, Sender::Client, 8),
            (0xff, Sender::Client, LONGEST),
        ] {
            assert_eq!(size(0x82, second, sender), Ok(bytes), "{second:#x}");
        }
    }

    #[test]
    fn what_rfc_6455_forbids_is_no_frame() {
        for (first, second, why) in [
            (0x83, 0, "5.2: reserved data opcode"),
            (0x8b, 0, "5.2: reserved control opcode"),
            (0xa1, 0, "5.2: RSV2"),
            (0x91, 0, "5.2: RSV3"),
            (0xc9, 0, "RFC 7692 6.1: compressed control frame"),
            (0x09, 0, "5.4: control frame in parts"),
            (0x88, 126, "5.5: control frame too long"),
            (0x81, 0x80, "5.1: masked by a server"),
        ] {
            assert_eq!(size(first, second, Sender::Server), Err(NoFrame), "{why}");
        }
        assert_eq!(size(0x81, 0, Sender::Client), Err(NoFrame), "5.1: not masked by a client");
        assert_eq!(size(0xc1, 0, Sender::Server), Ok(2), "RFC 7692 6: compressed data");
    }

    #[test]
    fn lengths_are_in_their_shortest_form_and_below_2_to_the_63() {
        let length = |bytes: &[u8]| parse(bytes).map(|header| header.length);
        assert_eq!(length(&[0x82, 126, 0, 126]), Ok(126));
        assert_eq!(length(&[0x82, 126, 0, 125]), Err(NoFrame));
        assert_eq!(length(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(65536));
        assert_eq!(length(&[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255]), Err(NoFrame));
        assert_eq!(length(&[0x82, 127, 128, 0, 0, 0, 0, 0, 0, 0]), Err(NoFrame));
        assert_eq!(length(&[0x82, 127, 0]), Err(NoFrame));
    }
}
