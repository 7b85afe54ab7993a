//! What holds for whatever goes through a tunnel: where frames end depends on the bytes, not on how
//! they arrive.

use shunt_proxy::websocket::{Position, Sender, Tracker};

pub(crate) fn check(bytes: &[u8]) {
    for sender in [Sender::Client, Sender::Server] {
        let mut whole = Tracker::new(sender);
        let end = whole.advance(bytes);

        let mut single = Tracker::new(sender);
        let positions: Vec<Position> = bytes.iter().map(|byte| single.advance(&[*byte])).collect();
        assert_eq!(single.position(), end, "{sender:?}: byte by byte");

        let mut framed = Tracker::new(sender);
        let mut at = 0;
        while at < bytes.len() {
            let taken = framed.advance_to_frame_end(&bytes[at..]);
            assert!(taken > 0 && taken <= bytes.len() - at, "{sender:?}: took {taken}");
            // It stops at the first end of a frame and at no other place.
            let within = &positions[at..at + taken - 1];
            assert!(!within.iter().any(|one| one.is_between_frames()), "{sender:?}: went beyond");
            at += taken;
            assert_eq!(positions[at - 1], framed.position(), "{sender:?}: at {at}");
        }
        assert_eq!(framed.position(), end, "{sender:?}: frame by frame");

        // What is over stays over.
        if matches!(end, Position::Closed | Position::Lost) {
            assert_eq!(whole.advance(&[0x81, 0]), end, "{sender:?}: came back");
        }
    }
}
