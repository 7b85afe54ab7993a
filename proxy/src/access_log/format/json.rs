//! One JSON object per line.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::millis;
use crate::access_log::batch::{Entry, Text};

/// A line. What there was not is left away.
#[derive(Serialize)]
struct Object<'a> {
    time: &'a str,
    client: IpAddr,
    method: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    protocol: &'a str,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    app: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    slot: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    release: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    target: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    total_ms: f64,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u8,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    referer: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// Appends `entry`, which `began` in `second`.
pub(super) fn write(entry: &Entry<'_>, second: &str, began: Timestamp, out: &mut Vec<u8>) {
    let record = entry.record;
    let text = |text| plain(entry.text(text));
    let time = format!("{second}.{:03}Z", began.subsec_millisecond());
    let object = Object {
        time: &time,
        client: record.client,
        method: text(Text::Method),
        host: text(Text::Host),
        path: text(Text::Path),
        protocol: record.protocol,
        status: record.status,
        bytes_in: record.received,
        bytes_out: record.sent,
        app: text(Text::App),
        slot: text(Text::Slot),
        release: text(Text::Release),
        target: text(Text::Target),
        connect_ms: record.connect.map(millis),
        first_byte_ms: record.first_byte.map(millis),
        total_ms: millis(record.total),
        retries: record.retries,
        error: text(Text::Error),
        request_id: text(Text::RequestId),
        user_agent: text(Text::Agent),
        referer: text(Text::Referer),
        tls: record.tls,
    };
    // Neither texts nor numbers can fail, nor can a `Vec`.
    if serde_json::to_writer(&mut *out, &object).is_err() {
        let _ = out.write_all(b"{}");
    }
}

/// `text`, with U+FFFD in the place of what is no UTF-8 and of the control characters that JSON does
/// not escape: some terminals obey them (U+007F to U+009F).
fn plain(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    let bad = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    match text.bytes().any(|b| b >= 0x7f) && text.contains(bad) {
        true => Cow::Owned(text.replace(bad, "\u{fffd}")),
        false => text,
    }
}
