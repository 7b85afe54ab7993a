//! The frame that ends a tunnel.

use bytes::{BufMut, Bytes, BytesMut};

/// The endpoint is going away, as a server that shuts down does (RFC 6455 7.4.1).
pub const GOING_AWAY: u16 = 1001;

/// A control frame's payload is at most 125 bytes (RFC 6455 5.5), two of which are the code.
const LONGEST_REASON: usize = 123;

/// A close frame from a server, unmasked, with `code` and as much of `reason` as there is room for:
/// 123 bytes, in whole characters.
///
/// `code` must be one that may be sent (RFC 6455 7.4): 1005, 1006 and 1015 stand for what was
/// observed and never go over the wire.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    debug_assert!((1000..5000).contains(&code) && ![1004, 1005, 1006, 1015].contains(&code));
    let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
    let mut frame = BytesMut::with_capacity(4 + reason.len());
    // FIN and opcode 8.
    frame.put_u8(0x88);
    #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
    frame.put_u8(2 + reason.len() as u8);
    frame.put_u16(code);
    frame.put_slice(reason.as_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{Position, Sender, Tracker};

    #[test]
    fn a_close_frame_is_what_rfc_6455_5_5_1_says() {
        assert_eq!(&close_frame(GOING_AWAY, "")[..], [0x88, 2, 0x03, 0xe9]);
        assert_eq!(&close_frame(1001, "bye")[..], [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);
    }

    #[test]
    fn a_reason_too_long_is_cut_between_characters() {
        let frame = close_frame(GOING_AWAY, &"ü".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert_eq!(std::str::from_utf8(&frame[4..]).unwrap(), "ü".repeat(61));
        assert_eq!(Tracker::new(Sender::Server).advance(&frame), Position::Closed);
    }
}
