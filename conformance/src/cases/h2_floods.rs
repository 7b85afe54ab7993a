//! HTTP/2: clients that want the proxy to work for nothing. Others are served afterwards in any case.

use crate::case::{Case, case};
use crate::h2::{
    CANCEL, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GET, HEADERS, PING, POST, PROTOCOL_ERROR, block, data,
    frame, head, last_data, request, rst, settings, window,
};

/// Streams enough for any limit.
fn streams(n: u32, frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..n).flat_map(|i| frames(2 * i + 1)).collect()
}

/// A field that the table remembers, and a reference to it for each byte of a frame.
fn bomb() -> Vec<u8> {
    // A literal with incremental indexing: "x" and 3,900 bytes, to be the first of the dynamic table.
    let value = [b'a'; 3900];
    let literal = [&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d], &value[..]].concat();
    let block = [&block(&GET)[..], &literal, &[0xbe; 12_000]].concat();
    let (first, rest) = block.split_at(8000);
    [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat()
}

pub(super) fn cases() -> Vec<Case> {
    floods().into_iter().map(Case::bounded).collect()
}

#[rustfmt::skip]
fn floods() -> Vec<Case> {
    vec![
        case("heads_that_are_continued_without_end_are_stopped", "CVE-2024-27316")
            .h2([frame(HEADERS, END_STREAM, 1, block(&GET)),
                frame(CONTINUATION, 0, 1, block(&[("x-a", &"a".repeat(1000))])).repeat(5000)].concat())
            .requests(0).ends(),
        case("heads_that_are_continued_with_nothing_are_stopped", "CVE-2024-27316")
            .h2([frame(HEADERS, END_STREAM, 1, block(&GET)), frame(CONTINUATION, 0, 1, []).repeat(50_000)].concat())
            .requests(0).ends(),
        case("streams_that_are_reset_at_once_are_stopped", "CVE-2023-44487")
            .h2(streams(5000, |id| [request(id, &GET), rst(id, CANCEL)].concat())).stopped(),
        case("streams_that_make_the_proxy_reset_them_are_stopped", "CVE-2025-8671")
            .h2(streams(5000, |id| [head(id, &POST), window(id, 0)].concat())).stopped(),
        case("streams_that_are_malformed_reach_no_target", "CVE-2025-8671")
            .h2(streams(5000, |id| request(id, &[&GET[..], &[("connection", "close")]].concat()))).requests(0)
            .at_once(),
        case("a_small_table_that_speaks_of_much_is_refused", "CVE-2016-6581").h2(bomb()).malformed(),
        case("pings_without_end_do_no_harm", "CVE-2019-9512")
            .h2([frame(PING, 0, 0, [0; 8]).repeat(50_000), request(1, &GET)].concat()).harmless(),
        case("settings_without_end_do_no_harm", "CVE-2019-9515")
            .h2([settings(&[(3, 100)]).repeat(50_000), request(1, &GET)].concat()).harmless(),
        case("priorities_without_end_do_no_harm", "CVE-2019-9513")
            .h2([frame(2, 0, 1, [0, 0, 0, 3, 16]).repeat(50_000), request(1, &GET)].concat()).harmless(),
        case("empty_frames_without_end_do_no_harm", "CVE-2019-9518")
            .h2([head(1, &POST), data(1, []).repeat(50_000)].concat()).at_once().harmless(),
        case("unknown_frames_without_end_do_no_harm", "RFC 9113 5.5")
            .h2([frame(0xfa, 0, 0, [0; 8]).repeat(50_000), request(1, &GET)].concat()).harmless(),
        case("window_updates_without_end_do_no_harm", "RFC 9113 10.5")
            .h2([window(0, 1).repeat(50_000), request(1, &GET)].concat()).harmless(),
        case("empty_names_without_end_are_refused", "CVE-2019-9516")
            .h2(request(1, &[&GET[..], &[("", ""); 1000]].concat())).malformed(),
        case("more_streams_than_allowed_are_refused_or_served", "RFC 9113 5.1.2")
            .h2([streams(300, |id| head(id, &POST)), streams(300, |id| last_data(id, b"a"))].concat()).at_once()
            .harmless()
            .check(|outcome| match outcome.goaway {
                None | Some(0 | PROTOCOL_ERROR | ENHANCE_YOUR_CALM) => Ok(()),
                code => Err(format!("the connection ended with {code:?}")),
            }),
    ]
}
