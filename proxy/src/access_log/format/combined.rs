//! The combined format of Apache and nginx, with more fields behind it.

use std::io::Write;

use super::millis;
use crate::access_log::batch::{Entry, Text};

/// Appends `entry`, which began in `second`. Writing to a `Vec` does not fail.
pub(super) fn write(entry: &Entry<'_>, second: &str, out: &mut Vec<u8>) {
    let record = entry.record;
    let _ = write!(out, "{} - - [{second}] \"", record.client);
    escape(entry.text(Text::Method), out);
    out.push(b' ');
    escape(entry.text(Text::Path), out);
    let _ = write!(out, " {}\" {:03} {} ", record.protocol, record.status, record.sent);
    quote(entry.text(Text::Referer), out);
    out.push(b' ');
    quote(entry.text(Text::Agent), out);
    for (name, text) in [
        ("host", Text::Host),
        ("app", Text::App),
        ("slot", Text::Slot),
        ("release", Text::Release),
        ("target", Text::Target),
        ("error", Text::Error),
        ("id", Text::RequestId),
    ] {
        let _ = write!(out, " {name}=");
        quote(entry.text(text), out);
    }
    for (name, time) in [
        ("connect", record.connect),
        ("first_byte", record.first_byte),
        ("total", Some(record.total)),
    ] {
        let _ = match time {
            Some(time) => write!(out, " {name}={:.3}", millis(time)),
            None => write!(out, " {name}=-"),
        };
    }
    let tls = if record.tls.is_empty() { "-" } else { record.tls };
    let _ = write!(out, " retries={} bytes_in={} tls={tls}", record.retries, record.received);
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
