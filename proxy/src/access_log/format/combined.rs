//! The combined format of Apache and nginx, with more fields behind it.

use std::io::Write;

use super::number::{address, millis, whole};
use crate::access_log::line::{Line, Text};

/// Appends `line`, which began in `second`. Writing to a `Vec` does not fail.
pub(super) fn write(line: &Line<'_>, second: &str, out: &mut Vec<u8>) {
    let asked = line.asked;
    address(line.client, out);
    out.extend_from_slice(b" - - [");
    out.extend_from_slice(second.as_bytes());
    out.extend_from_slice(b"] \"");
    escape(asked.text(Text::Method), out);
    out.push(b' ');
    escape(asked.text(Text::Path), out);
    let _ = write!(out, " {}\" {:03} ", asked.protocol(), line.status);
    whole(line.sent, out);
    out.push(b' ');
    quote(asked.text(Text::Referer), out);
    out.push(b' ');
    quote(asked.text(Text::Agent), out);
    for (name, text) in [
        (" host=", asked.text(Text::Host)),
        (" app=", line.app.as_bytes()),
        (" slot=", line.slot.as_bytes()),
        (" release=", line.release.as_bytes()),
        (" target=", line.target.as_bytes()),
        (" error=", line.error.as_bytes()),
        (" id=", line.request_id),
    ] {
        out.extend_from_slice(name.as_bytes());
        quote(text, out);
    }
    for (name, time) in [
        (" connect=", line.connect),
        (" first_byte=", line.first_byte),
        (" total=", Some(line.total)),
    ] {
        out.extend_from_slice(name.as_bytes());
        match time {
            Some(time) => millis(time, out),
            None => out.push(b'-'),
        }
    }
    let tls = if line.tls.is_empty() { "-" } else { line.tls };
    let _ = write!(out, " retries={} bytes_in={} tls={tls}", line.retries, line.received);
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(if text.is_empty() { b"-" } else { text }, out);
    out.push(b'"');
}

/// Appends `text` with `\xHH` for quotes, backslashes and all that is not visible ASCII or a space,
/// as nginx does: one request makes one line, whatever it is made of.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for b in text {
        match b {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => {
                let _ = write!(out, "\\x{b:02X}");
            }
            _ => out.push(*b),
        }
    }
}
