//! What holds for whatever a client of HTTP/2 sends: what is made of its frames depends on the bytes,
//! not on how they arrive, and no more than what is allowed goes unnoticed.

use std::time::Duration;

use shunt_config::proxy_file::Http2;
use shunt_proxy::data::frames::Frames;

const NOW: Duration = Duration::from_secs(1);

pub(crate) fn check(bytes: &[u8]) {
    let limits = Http2 { resets_per_second: 3, control_frames_per_second: 3, ..Http2::default() };
    let mut whole = Frames::new(0, &limits);
    let end = whole.look(bytes, NOW);

    let mut single = Frames::new(0, &limits);
    let bytewise = bytes.iter().try_for_each(|byte| single.look(&[*byte], NOW));
    assert_eq!(bytewise, end, "byte by byte");
    if end.is_ok() {
        assert_eq!(single.is_in_header_block(), whole.is_in_header_block());
        assert!(resets(bytes) <= 3, "a reset went unnoticed");
    }
}

/// `RST_STREAM` frames whose header has come, counted by a reader of its own.
fn resets(mut bytes: &[u8]) -> usize {
    let mut resets = 0;
    while let Some((header, rest)) = bytes.split_at_checked(9) {
        resets += usize::from(header[3] == 3);
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        bytes = rest.get(length..).unwrap_or_default();
    }
    resets
}
