//! One JSON object per line.

use std::borrow::Cow;
use std::time::Duration;

use super::number::{address, millis, three, whole};
use crate::access_log::line::{Line, Text};

/// Appends `line`, which began `since` the beginning of `second`. What there was not is left away.
///
/// By hand, because it is done on the data threads: a third of what `serde_json` takes.
pub(super) fn write(line: &Line<'_>, second: &str, since: Duration, out: &mut Vec<u8>) {
    let asked = line.asked;
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(second.as_bytes());
    out.push(b'.');
    three(since.subsec_millis(), out);
    out.extend_from_slice(b"Z\",\"client\":\"");
    address(line.client, out);
    // A method is a token (RFC 9110 5.6.2), and so are the other texts that are not looked at.
    out.extend_from_slice(b"\",\"method\":\"");
    out.extend_from_slice(asked.text(Text::Method));
    out.push(b'"');
    some(b",\"host\":", asked.text(Text::Host), out);
    out.extend_from_slice(b",\"path\":");
    string(asked.text(Text::Path), out);
    out.extend_from_slice(b",\"protocol\":\"");
    out.extend_from_slice(asked.protocol().as_bytes());
    out.extend_from_slice(b"\",\"status\":");
    whole(line.status, out);
    out.extend_from_slice(b",\"bytes_in\":");
    whole(line.received, out);
    out.extend_from_slice(b",\"bytes_out\":");
    whole(line.sent, out);
    word(b",\"app\":\"", line.app, out);
    word(b",\"slot\":\"", line.slot, out);
    some(b",\"release\":", line.release.as_bytes(), out);
    some(b",\"target\":", line.target.as_bytes(), out);
    if let Some(time) = line.connect {
        out.extend_from_slice(b",\"connect_ms\":");
        millis(time, out);
    }
    if let Some(time) = line.first_byte {
        out.extend_from_slice(b",\"first_byte_ms\":");
        millis(time, out);
    }
    out.extend_from_slice(b",\"total_ms\":");
    millis(line.total, out);
    if line.retries > 0 {
        out.extend_from_slice(b",\"retries\":");
        whole(line.retries, out);
    }
    word(b",\"error\":\"", line.error, out);
    some(b",\"request_id\":", line.request_id, out);
    some(b",\"user_agent\":", asked.text(Text::Agent), out);
    some(b",\"referer\":", asked.text(Text::Referer), out);
    word(b",\"tls\":\"", line.tls, out);
    out.push(b'}');
}

/// Appends `key` and a name of our own or a DNS label, if there is any.
fn word(key: &'static [u8], word: &str, out: &mut Vec<u8>) {
    if !word.is_empty() {
        out.extend_from_slice(key);
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
    }
}

/// Appends `key` and `text`, if there is any.
fn some(key: &'static [u8], text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.extend_from_slice(key);
        string(text, out);
    }
}

/// Appends `text` as a string of JSON.
fn string(text: &[u8], out: &mut Vec<u8>) {
    if is_plain(text) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        escape(text, out);
    }
}

/// Whether `text` stands for itself: visible ASCII and spaces, but for quotes and backslashes.
fn is_plain(text: &[u8]) -> bool {
    let odd = |b: &u8| u8::from(!matches!(b, b' '..=b'~') || matches!(b, b'"' | b'\\'));
    text.iter().fold(0, |seen, b| seen | odd(b)) == 0
}

#[cold]
fn escape(text: &[u8], out: &mut Vec<u8>) {
    // Neither can a text fail, nor a `Vec`.
    let _ = serde_json::to_writer(out, &decent(text));
}

/// `text`, with U+FFFD in the place of what is no UTF-8 and of the control characters that JSON does
/// not escape: some terminals obey them (U+007F to U+009F).
fn decent(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    let bad = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    match text.contains(bad) {
        true => Cow::Owned(text.replace(bad, "\u{fffd}")),
        false => text,
    }
}
