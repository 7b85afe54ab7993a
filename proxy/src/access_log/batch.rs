//! Lines on their way from a data thread to the thread that writes them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::line::Line;

/// Lines, with all of their text in one piece: nothing is allocated per line.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    text: Vec<u8>,
}

/// The texts of a line, in the order in which they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Method,
    Host,
    Path,
    App,
    Slot,
    Release,
    Target,
    Error,
    RequestId,
    Agent,
    Referer,
}

const TEXTS: usize = 11;

/// The longest text of a line; what is longer is cut.
const LONGEST: usize = 8192;

/// A line without its texts.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) began: Instant,
    pub(super) client: IpAddr,
    pub(super) protocol: &'static str,
    pub(super) tls: &'static str,
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) retries: u8,
    pub(super) connect: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    pub(super) total: Duration,
    lengths: [u16; TEXTS],
}

/// One line of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) record: &'a Record,
    texts: [&'a [u8]; TEXTS],
}

impl Batch {
    /// An empty one with room for `lines` usual lines.
    pub(super) fn with_room(lines: usize) -> Self {
        Self { records: Vec::with_capacity(lines), text: Vec::with_capacity(lines * 256) }
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many bytes their texts take.
    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Adds `line`.
    pub(super) fn push(&mut self, line: &Line<'_>) {
        let asked = line.asked;
        // In the order of `Text`.
        let texts: [&[u8]; TEXTS] = [
            asked.method.as_str().as_bytes(),
            value(asked.host.as_ref()),
            asked.target.as_ref().map_or("", PathAndQuery::as_str).as_bytes(),
            line.app.as_bytes(),
            line.slot.as_bytes(),
            line.release.as_bytes(),
            line.target.as_bytes(),
            line.error.as_bytes(),
            line.request_id,
            value(asked.agent.as_ref()),
            value(asked.referer.as_ref()),
        ];
        let mut lengths = [0; TEXTS];
        for (text, length) in texts.iter().zip(&mut lengths) {
            let kept = text.len().min(LONGEST);
            self.text.extend_from_slice(&text[..kept]);
            *length = u16::try_from(kept).unwrap_or_default();
        }
        self.records.push(Record {
            began: line.began,
            client: line.client,
            protocol: asked.protocol(),
            tls: line.tls,
            status: line.status,
            received: line.received,
            sent: line.sent,
            retries: line.retries,
            connect: line.connect,
            first_byte: line.first_byte,
            total: line.total,
            lengths,
        });
    }

    /// The lines.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = &self.text[..];
        self.records.iter().map(move |record| {
            let texts = record.lengths.map(|length| {
                let (text, after) = rest.split_at(usize::from(length));
                rest = after;
                text
            });
            Entry { record, texts }
        })
    }
}

/// The bytes of a field that there may be.
fn value(field: Option<&HeaderValue>) -> &[u8] {
    field.map_or(b"", HeaderValue::as_bytes)
}

impl<'a> Entry<'a> {
    /// One of its texts; empty if there was none.
    pub(super) fn text(&self, text: Text) -> &'a [u8] {
        self.texts[text as usize]
    }
}

const _: () = assert!(LONGEST <= u16::MAX as usize && Text::Referer as usize + 1 == TEXTS);
