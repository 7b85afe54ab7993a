//! `[http2]`: what one HTTP/2 connection of a client may cost.

use std::ops::RangeInclusive;

use crate::document::Section;
use crate::size::Size;

/// Streams at most: more would make one connection as costly as a thousand.
const STREAMS: RangeInclusive<u32> = 1..=10_000;

/// Windows: no smaller than what RFC 9113 6.9.2 begins with, no larger than 1 GiB.
const WINDOW: RangeInclusive<Size> = Size::bytes(65_535)..=Size::mib(1024);

/// What one HTTP/2 connection of a client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Streams open at a time, 1 to 10,000 (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub streams: u32,
    /// Streams that a client may reset in one second, at least 1; more end the connection
    /// (CVE-2023-44487).
    pub resets_per_second: u32,
    /// SETTINGS, PING, PRIORITY and empty DATA, HEADERS and CONTINUATION frames that a client may send in one second, at
    /// least 1; more end the connection (CVE-2019-9512, CVE-2019-9515, CVE-2019-9518).
    pub control_frames_per_second: u32,
    /// Bytes of one stream that a client may send before they are read, 65,535 to 1 GiB.
    pub stream_window: Size,
    /// Bytes of one connection that a client may send before they are read, 65,535 to 1 GiB.
    pub connection_window: Size,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            streams: 100,
            resets_per_second: 100,
            control_frames_per_second: 100,
            stream_window: Size::kib(256),
            connection_window: Size::mib(1),
        }
    }
}

pub(super) fn read(root: &mut Section<'_>) -> Http2 {
    let defaults = Http2::default();
    let Some(mut section) = root.section("http2") else { return defaults };
    let mut at_least_one = |key: &str, default: u32| {
        let read = section.or(key, default);
        if read == 0 {
            section.mistake(key, "0 would let no client through: 1 at least");
        }
        read
    };
    let resets_per_second = at_least_one("resets_per_second", defaults.resets_per_second);
    let control_frames_per_second =
        at_least_one("control_frames_per_second", defaults.control_frames_per_second);
    let streams = section.or("streams", defaults.streams);
    if !STREAMS.contains(&streams) {
        let (least, most) = (STREAMS.start(), STREAMS.end());
        section.mistake("streams", &format!("{streams} is not within {least} to {most}"));
    }
    let mut window = |key: &str, default: Size| {
        let read = section.or(key, default);
        if !WINDOW.contains(&read) {
            let (least, most) = (WINDOW.start(), WINDOW.end());
            section.mistake(key, &format!("{read} is not within {least} to {most}"));
        }
        read
    };
    Http2 {
        streams,
        resets_per_second,
        control_frames_per_second,
        stream_window: window("stream_window", defaults.stream_window),
        connection_window: window("connection_window", defaults.connection_window),
    }
}
