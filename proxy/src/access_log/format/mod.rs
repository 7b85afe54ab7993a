//! What a line looks like.

use self::stamp::Stamp;
use super::line::Line;

mod combined;
mod json;
mod number;
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
    stamp: Stamp,
}

impl Formatter {
    pub(super) fn new(format: Format) -> Self {
        let stamp = match format {
            Format::Json => Stamp::new("%Y-%m-%dT%H:%M:%S"),
            Format::Combined => Stamp::new("%d/%b/%Y:%H:%M:%S +0000"),
        };
        Self { format, stamp }
    }

    /// Appends `line` and a newline to `out`.
    pub(super) fn write(&mut self, line: &Line<'_>, out: &mut Vec<u8>) {
        let (second, since) = self.stamp.second(line.began);
        match self.format {
            Format::Json => json::write(line, second, since, out),
            Format::Combined => combined::write(line, second, out),
        }
        out.push(b'\n');
    }
}
