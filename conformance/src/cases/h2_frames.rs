//! HTTP/2 with prior knowledge: frames, streams, settings and windows.

use crate::case::{Case, case, ok};
use crate::h2::{
    self, ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GET, GOAWAY, HEADERS, NO_ERROR, PADDED, PING, POST, PREFACE, PRIORITY,
    PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, data,
    frame, head, last_data, request, rst, settings, window,
};

/// `name`: these frames end the connection with one of `codes`.
fn fatal(name: &'static str, rule: &'static str, frames: impl AsRef<[u8]>, codes: &'static [u32]) -> Case {
    case(name, rule).h2(frames).connection_error(codes)
}

/// `name`: a GET after these frames is answered.
fn fine(name: &'static str, rule: &'static str, frames: impl AsRef<[u8]>) -> Case {
    case(name, rule).h2([frames.as_ref(), &request(1, &GET)].concat()).answers(&[200]).kept()
}

fn all(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// A body longer than the window that a client gives at first, with marks on both sides of its end.
/// There are several: a frame may end within one.
fn wide() -> String {
    format!("{}{}{}", "a".repeat(65_495), "MARK".repeat(10), "OVER".repeat(2500))
}

const PROTOCOL: &[u32] = &[PROTOCOL_ERROR];
// Where there is a more specific error the general one is taken as well: it ends the connection too,
// and what reads frames here knows no other for them.
const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
const WINDOW: &[u32] = &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR];
const CLOSED: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
const COMPRESSION: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

pub(super) fn cases() -> Vec<Case> {
    frames().into_iter().chain(streams()).chain(blocks_and_ends()).collect()
}

#[rustfmt::skip]
fn frames() -> Vec<Case> {
    vec![
        case("a_request_over_http_2_is_answered", "RFC 9113 8.1").h2_get(&[]).answers(&[200]).kept()
            .target_line("GET / HTTP/1.1").target_field("host", &["app.test"]),
        case("a_preface_that_is_wrong_is_refused", "RFC 9113 3.4").send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
            .send(settings(&[])).unread(),
        case("a_preface_that_comes_byte_by_byte_is_one", "RFC 9113 3.4").h2_raw()
            .bytewise([PREFACE, &settings(&[]), &request(1, &GET)].concat()).answers(&[200]).kept(),
        case("the_method_of_the_preface_is_no_request", "RFC 9113 11.6")
            .send("PRI * HTTP/1.1\r\nHost: app.test\r\n\r\n").rejected(&[400, 405, 501]),
        fatal("a_frame_larger_than_allowed_ends_it", "RFC 9113 4.2", frame(DATA, 0, 1, vec![0; 16_385]), SIZE),
        fatal("a_head_larger_than_a_frame_ends_it", "RFC 9113 4.2",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, vec![0; 16_385]), SIZE),
        fine("a_frame_of_an_unknown_type_is_ignored", "RFC 9113 4.1", frame(0xfa, 0xff, 0, b"hello")),
        case("a_frame_of_an_unknown_type_on_a_stream_is_ignored", "RFC 9113 5.5")
            .h2(all(&[head(1, &POST), frame(0xfa, 0, 1, b"hello"), last_data(1, b"body")]))
            .answers(&[200]).kept().target_body("body"),
        fine("unknown_settings_are_ignored", "RFC 9113 6.5.2", settings(&[(0xfafa, 7)])),
        fine("flags_without_meaning_are_ignored", "RFC 9113 4.1", frame(PING, 0xfe, 0, [0; 8])),
        case("the_reserved_bit_is_ignored", "RFC 9113 4.1")
            .h2(frame(HEADERS, END_HEADERS | END_STREAM, 1 | 1 << 31, block(&GET))).answers(&[200]).kept(),
        fatal("settings_of_an_odd_size_end_it", "RFC 9113 6.5", frame(SETTINGS, 0, 0, [0; 5]), SIZE),
        fatal("settings_on_a_stream_end_it", "RFC 9113 6.5", frame(SETTINGS, 0, 1, []), PROTOCOL),
        fatal("an_acknowledgement_of_settings_with_settings_ends_it", "RFC 9113 6.5", frame(SETTINGS, ACK, 0, [0; 6]),
                SIZE),
        fatal("a_push_setting_of_two_ends_it", "RFC 9113 6.5.2", settings(&[(2, 2)]), PROTOCOL),
        fatal("a_window_setting_beyond_all_ends_it", "RFC 9113 6.5.2", settings(&[(4, 1 << 31)]), WINDOW),
        fatal("a_frame_size_setting_too_small_ends_it", "RFC 9113 6.5.2", settings(&[(5, 100)]), PROTOCOL),
        fatal("a_frame_size_setting_too_large_ends_it", "RFC 9113 6.5.2", settings(&[(5, 1 << 24)]), PROTOCOL),
        case("settings_are_acknowledged", "RFC 9113 6.5.3").h2(settings(&[(3, 100)]))
            .client_sees([0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]).send(request(1, &GET)).answers(&[200]).kept(),
        case("a_ping_is_answered", "RFC 9113 6.7").h2(frame(PING, 0, 0, b"pingpong"))
            .client_sees([&[0, 0, 8, PING, ACK, 0, 0, 0, 0], &b"pingpong"[..]].concat())
            .send(request(1, &GET)).answers(&[200]).kept(),
        fatal("a_ping_of_an_odd_size_ends_it", "RFC 9113 6.7", frame(PING, 0, 0, [0; 7]), SIZE),
        fatal("a_ping_on_a_stream_ends_it", "RFC 9113 6.7", frame(PING, 0, 1, [0; 8]), PROTOCOL),
    ]
}

#[rustfmt::skip]
fn streams() -> Vec<Case> {
    vec![
        fatal("data_on_stream_zero_ends_it", "RFC 9113 6.1", frame(DATA, 0, 0, b"hello"), PROTOCOL),
        fatal("data_on_an_idle_stream_ends_it", "RFC 9113 5.1", data(1, b"hello"), CLOSED),
        fatal("a_head_on_stream_zero_ends_it", "RFC 9113 6.2", request(0, &GET), PROTOCOL),
        fatal("a_head_on_an_even_stream_ends_it", "RFC 9113 5.1.1", request(2, &GET), PROTOCOL),
        fatal("streams_that_go_backwards_end_it", "RFC 9113 5.1.1", all(&[request(5, &GET), request(3, &GET)]), CLOSED),
        case("data_after_the_end_of_a_stream_is_an_error", "RFC 9113 5.1")
            .h2(all(&[request(1, &GET), data(1, b"hello")])).requests_at_most(1)
            .stream_error(&[STREAM_CLOSED, PROTOCOL_ERROR]).at_once(),
        case("a_head_after_the_end_of_a_stream_is_an_error", "RFC 9113 5.1")
            .h2(all(&[request(1, &GET), request(1, &GET)])).requests_at_most(1)
            .stream_error(&[STREAM_CLOSED, PROTOCOL_ERROR]).at_once(),
        fatal("a_reset_of_an_idle_stream_ends_it", "RFC 9113 6.4", rst(1, 8), PROTOCOL),
        fatal("a_reset_of_stream_zero_ends_it", "RFC 9113 6.4", rst(0, 8), PROTOCOL),
        fatal("a_reset_of_an_odd_size_ends_it", "RFC 9113 6.4",
                all(&[head(1, &POST), frame(RST_STREAM, 0, 1, [0; 3])]), SIZE),
        case("frames_on_a_stream_that_was_reset_do_no_harm", "RFC 9113 5.1")
            .h2(all(&[head(1, &POST), rst(1, 8), window(1, 1), request(3, &GET)])).requests_at_most(2).kept(),
        fatal("a_window_update_of_an_odd_size_ends_it", "RFC 9113 6.9", frame(WINDOW_UPDATE, 0, 0, [0; 3]), SIZE),
        fatal("a_window_update_of_nothing_ends_it", "RFC 9113 6.9", window(0, 0), PROTOCOL),
        case("a_window_update_of_nothing_on_a_stream_is_an_error", "RFC 9113 6.9")
            .h2(all(&[head(1, &POST), window(1, 0)])).stream_error(PROTOCOL),
        fatal("a_window_beyond_all_ends_it", "RFC 9113 6.9.1", all(&[window(0, (1 << 31) - 1), window(0, 1)]),
                &[FLOW_CONTROL_ERROR]),
        case("a_window_beyond_all_on_a_stream_is_an_error", "RFC 9113 6.9.1")
            .h2(all(&[head(1, &POST), window(1, (1 << 31) - 1)])).stream_error(&[FLOW_CONTROL_ERROR]),
        fatal("a_window_update_of_an_idle_stream_ends_it", "RFC 9113 5.1", window(1, 1), PROTOCOL),
        fatal("a_promise_from_a_client_ends_it", "RFC 9113 8.4",
                all(&[head(1, &POST), frame(PUSH_PROMISE, END_HEADERS, 1,
                [&[0, 0, 0, 2], &block(&GET)[..]].concat())]), PROTOCOL),
        fatal("a_continuation_of_nothing_ends_it", "RFC 9113 6.10", frame(CONTINUATION, END_HEADERS, 1, block(&GET)),
                PROTOCOL),
        fatal("a_continuation_of_another_stream_ends_it", "RFC 9113 6.10",
                all(&[frame(HEADERS, END_STREAM, 1, block(&GET)), frame(CONTINUATION, END_HEADERS, 3, [])]), PROTOCOL),
        fatal("a_frame_within_a_head_ends_it", "RFC 9113 6.10",
                all(&[frame(HEADERS, END_STREAM, 1, block(&GET)), frame(PING, 0, 0, [0; 8])]), PROTOCOL),
        fatal("an_unknown_frame_within_a_head_ends_it", "RFC 9113 5.5",
                all(&[frame(HEADERS, END_STREAM, 1, block(&GET)), frame(0xfa, 0, 1, [])]), PROTOCOL),
        case("a_head_may_be_continued", "RFC 9113 6.10")
            .h2(all(&[frame(HEADERS, END_STREAM, 1, block(&GET[..1])), frame(CONTINUATION, 0, 1, block(&GET[1..2])),
                frame(CONTINUATION, END_HEADERS, 1, block(&GET[2..]))]))
            .answers(&[200]).kept(),
        case("padding_is_taken_off", "RFC 9113 6.1").h2(all(&[
                frame(HEADERS, END_HEADERS | PADDED, 1, [&[3], &block(&POST)[..], b"\0\0\0"].concat()),
                frame(DATA, END_STREAM | PADDED, 1, [&[4], &b"hello"[..], b"\0\0\0\0"].concat())]))
            .answers(&[200]).kept().target_body("hello"),
        fatal("padding_longer_than_its_frame_ends_it", "RFC 9113 6.1",
                all(&[head(1, &POST), frame(DATA, PADDED, 1, [9, b'a', b'b'])]), PROTOCOL),
        fatal("padding_longer_than_its_head_ends_it", "RFC 9113 6.2",
                frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, [&[255], &block(&GET)[..]].concat()), PROTOCOL),
        case("a_priority_in_a_head_is_ignored", "RFC 9113 5.3.2")
            .h2(frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY, 1, [&[0, 0, 0, 3, 16], &block(&GET)[..]].concat()))
            .answers(&[200]).kept(),
        fine("a_priority_is_ignored", "RFC 9113 6.3", frame(2, 0, 1, [0, 0, 0, 3, 16])),
        fatal("a_priority_of_stream_zero_ends_it", "RFC 9113 6.3", frame(2, 0, 0, [0, 0, 0, 3, 16]), PROTOCOL),
        fatal("a_farewell_on_a_stream_ends_it", "RFC 9113 6.8", frame(GOAWAY, 0, 1, [0; 8]), PROTOCOL),
        fatal("a_farewell_too_short_ends_it", "RFC 9113 6.8", frame(GOAWAY, 0, 0, [0; 4]), SIZE),
        case("what_runs_is_answered_after_a_farewell", "RFC 9113 6.8")
            .h2(all(&[request(1, &GET), frame(GOAWAY, 0, 0, [0; 8])])).answers(&[200]),
        case("a_client_that_resets_its_stream_cancels", "RFC 9113 5.4.2").h2(request(1, &GET))
            .plays([crate::case::Play::Sees("never".into())])
            .target_sees("\r\n\r\n").send(rst(1, h2::CANCEL)).send(request(3, &GET)).requests(2).kept().cancels(),
        case("a_client_that_leaves_cancels", "RFC 9113 5.4.1").h2(request(1, &GET))
            .plays([crate::case::Play::Sees("never".into())]).target_sees("\r\n\r\n").reset().cancels(),
        case("streams_are_answered_side_by_side", "RFC 9113 5")
            .h2(all(&[request(1, &GET), request(3, &GET), request(5, &GET)])).answers(&[200, 200, 200]).kept(),
        case("a_stream_is_not_held_up_by_another", "RFC 9113 5").h2(all(&[head(1, &POST), request(3, &GET)]))
            .client_sees("default").send(last_data(1, b"hello")).answers(&[200, 200]).kept(),
        case("an_answer_waits_for_its_window", "RFC 9113 6.9").h2(request(1, &GET)).answer(ok("", &wide()))
            .client_sees("MARK").client_lacks_now("OVER")
            .send(all(&[window(0, 1 << 20), window(1, 1 << 20)])).answers(&[200]).kept(),
        case("a_window_of_nothing_lets_no_body_pass", "RFC 9113 6.9.2")
            .h2(all(&[settings(&[(4, 0)]), request(1, &GET)])).answer(ok("", "hello")).played(1)
            .send(frame(PING, 0, 0, b"pingpong")).client_sees("pingpong").client_lacks_now("hello")
            .send(settings(&[(4, 65_535)])).answers(&[200]).kept(),
        case("an_upload_over_http_2_arrives", "RFC 9113 6.9")
            .h2(all(&[head(1, &POST), data(1, [b'x'; 16_000]), data(1, [b'x'; 16_000]), last_data(1, [b'x'; 16_000])]))
            .answers(&[200]).kept().target_body(vec![b'x'; 48_000]),
    ]
}

#[rustfmt::skip]
fn blocks_and_ends() -> Vec<Case> {
    vec![
        fatal("an_index_of_zero_ends_it", "RFC 7541 6.1", frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x80]),
                COMPRESSION),
        fatal("an_index_beyond_the_table_ends_it", "RFC 7541 2.3.3",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, [0xff, 0x7f]), COMPRESSION),
        fatal("a_literal_cut_short_ends_it", "RFC 7541 5.2",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, [0, 5, b'a']), COMPRESSION),
        fatal("an_integer_without_end_ends_it", "RFC 7541 5.1",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, [0xff; 20]), COMPRESSION),
        fatal("a_table_larger_than_allowed_ends_it", "RFC 7541 6.3",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, [&[0x3f, 0xe1, 0xff, 0x7f],
                &block(&GET)[..]].concat()), COMPRESSION),
        fatal("huffman_padding_of_zeros_ends_it", "RFC 7541 5.2",
                frame(HEADERS, END_HEADERS | END_STREAM, 1, [&block(&GET)[..],
                &[0, 1, b'a', 0x81, 0]].concat()), COMPRESSION),
        case("a_connection_without_a_request_ends_in_peace", "RFC 9113 6.8").h2(frame(GOAWAY, 0, 0, [0; 8])).fin()
            .unread(),
        case("an_error_of_the_proxys_own_over_http_2", "RFC 9110 15.5.5")
            .h2(request(1, &[GET[0], GET[1], (":authority", "other.test"), GET[3]])).rejected(&[404]).kept(),
        case("a_bad_gateway_over_http_2", "RFC 9110 15.6.3").h2_get(&[])
            .plays([crate::case::Play::Whole, crate::case::Play::Close]).status(&[502]).requests(1).kept(),
        case("no_error_is_sent_for_what_went_well", "RFC 9113 7").h2_get(&[]).answers(&[200]).kept()
            .check(|outcome| match outcome.resets.iter().all(|(_,
                code)| *code == NO_ERROR) && outcome.goaway.is_none_or(|code| code == NO_ERROR) {
                true => Ok(()),
                false => Err(format!("streams reset: {:?}, connection ended: {:?}", outcome.resets, outcome.goaway)),
            }),
    ]
}
