//! What a line looks like.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use self::stamp::Stamp;
use super::batch::Entry;

mod combined;
mod json;
mod stamp;

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    #[default]
    Json,
    /// The combined format of Apache and nginx, with more fields behind it.
    Combined,
}

/// Formats lines.
#[derive(Debug)]
pub(super) struct Formatter {
    format: Format,
    /// One moment on both clocks.
    now: (Instant, Timestamp),
    stamp: Stamp,
}

impl Formatter {
    pub(super) fn new(format: Format) -> Self {
        let stamp = match format {
            Format::Json => Stamp::new("%Y-%m-%dT%H:%M:%S"),
            Format::Combined => Stamp::new("%d/%b/%Y:%H:%M:%S +0000"),
        };
        Self { format, now: (Instant::now(), Timestamp::now()), stamp }
    }

    /// Reads both clocks: lines are stamped with the one and dated with the other, which somebody
    /// may have set meanwhile.
    pub(super) fn set_clock(&mut self) {
        self.now = (Instant::now(), Timestamp::now());
    }

    /// Appends the line `entry` and a newline to `out`.
    pub(super) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let (instant, now) = self.now;
        let ago = SignedDuration::try_from(instant.saturating_duration_since(entry.record.began));
        let began = ago.ok().and_then(|ago| now.checked_sub(ago).ok()).unwrap_or(now);
        match self.format {
            Format::Json => json::write(entry, self.stamp.second(began), began, out),
            Format::Combined => combined::write(entry, self.stamp.second(began), out),
        }
        out.push(b'\n');
    }
}

/// `time` in milliseconds, to the microsecond.
fn millis(time: std::time::Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for the first three centuries")]
    let micros = time.as_micros() as f64;
    micros / 1000.0
}
