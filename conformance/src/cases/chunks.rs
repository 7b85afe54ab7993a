//! The framing of chunked requests. The head may be with the target already when a chunk turns out
//! bad; a whole request must never be.

use crate::case::{Case, case, chunked, get};

/// What follows a bad chunk and would be a request for whoever reads it otherwise.
const REST: &str = "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// `name`: a chunked request with this body is never whole at the target.
fn bad(name: &'static str, rule: &'static str, body: impl AsRef<str>) -> Case {
    case(name, rule).send(chunked([body.as_ref(), REST].concat())).broken_off(&[400, 413, 431])
        .target_lacks("/smuggled")
}

/// `name`: nothing behind this end of a chunked request is a request.
fn ambiguous(name: &'static str, end: &str) -> Case {
    case(name, "RFC 9112 2.2").send(chunked(format!("5\r\nhello\r\n{end}{REST}"))).requests_at_most(1).closed()
        .target_lacks("/smuggled")
}

/// `name`: the body "hello" arrives, and nothing of how it was sent.
fn good(name: &'static str, rule: &'static str, body: impl AsRef<str>) -> Case {
    case(name, rule).send(chunked(body.as_ref())).passes().target_body("hello").target_lacks("ext")
}

fn extension(length: usize) -> String {
    format!("5;ext={}\r\nhello\r\n0\r\n\r\n", "a".repeat(length))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let large = vec![b'x'; 1 << 20];
    vec![
        good("chunks_are_put_together", "RFC 9112 7.1", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        good("chunk_sizes_may_begin_with_zeros", "RFC 9112 7.1", "00005\r\nhello\r\n000\r\n\r\n"),
        good("a_chunk_extension_is_not_forwarded", "RFC 9112 7.1.1", "5;ext=1\r\nhello\r\n0;ext\r\n\r\n"),
        good("a_chunk_extension_may_be_quoted", "RFC 9112 7.1.1", "5;ext=\"a;b\"\r\nhello\r\n0\r\n\r\n"),
        good("a_chunk_extension_may_have_blanks", "RFC 9112 7.1.1", "5 ; ext = 1\r\nhello\r\n0\r\n\r\n"),
        good("a_short_chunk_extension_is_taken", "RFC 9112 7.1.1", extension(100)),
        case("trailers_are_taken", "RFC 9112 7.1.2")
            .send(chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n")).answers(&[200]).target_body("hello"),
        case("chunks_that_come_byte_by_byte_are_the_same", "RFC 9112 7.1")
            .bytewise(chunked("2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n")).passes().target_body("hello"),
        case("chunk_sizes_are_hexadecimal_in_either_case", "RFC 9112 7.1")
            .send(chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n")).passes()
            .target_body("01234567890123456789"),
        case("a_chunk_of_a_mebibyte_arrives", "RFC 9112 7.1")
            .send(chunked([b"100000\r\n", &large[..], b"\r\n0\r\n\r\n"].concat())).passes().target_body(large),
        case("an_empty_chunked_body_arrives", "RFC 9112 7.1").send(chunked("0\r\n\r\n")).passes().target_body(""),
        case("a_request_in_a_chunk_is_a_body", "RFC 9112 7.1")
            .send(chunked("12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n")).passes().target_body("GET / HTTP/1.1\r\n\r\n"),
        bad("a_chunk_without_size_ends_it", "RFC 9112 7.1", "\r\nhello"),
        bad("a_chunk_size_with_a_sign_ends_it", "RFC 9112 7.1", "+5\r\nhello"),
        bad("a_negative_chunk_size_ends_it", "RFC 9112 7.1", "-5\r\nhello"),
        bad("a_chunk_size_with_0x_ends_it", "RFC 9112 7.1", "0x5\r\nhello"),
        bad("a_chunk_size_that_is_no_number_ends_it", "RFC 9112 7.1", "g\r\nhello"),
        bad("a_chunk_size_with_an_underscore_ends_it", "RFC 9112 7.1", "0_5\r\nhello"),
        bad("a_chunk_size_with_a_space_inside_ends_it", "RFC 9112 7.1", "5 5\r\nhello"),
        bad("a_chunk_size_behind_a_space_ends_it", "RFC 9112 7.1", " 5\r\nhello"),
        bad("a_chunk_size_before_nul_ends_it", "RFC 9112 7.1", "5\0\r\nhello"),
        bad("a_chunk_size_that_would_wrap_to_5_ends_it", "RFC 9112 7.1", "10000000000000005\r\nhello"),
        bad("a_chunk_size_of_forty_digits_ends_it", "RFC 9112 7.1", format!("{}\r\nhello", "f".repeat(40))),
        bad("a_chunk_size_ended_by_a_bare_lf_ends_it", "RFC 9112 2.2", "5\nhello"),
        bad("a_chunk_size_ended_by_a_bare_cr_ends_it", "RFC 9112 2.2", "5\rhello"),
        bad("a_chunk_size_ended_by_two_crs_ends_it", "RFC 9112 2.2", "5\r\r\nhello"),
        bad("a_chunk_extension_ended_by_a_bare_lf_ends_it", "RFC 9112 7.1.1", "5;ext\nhello"),
        bad("a_bare_lf_in_a_chunk_extension_ends_it", "RFC 9112 7.1.1", "5;a\nb\r\nhello"),
        bad("a_bare_cr_in_a_chunk_extension_ends_it", "RFC 9112 7.1.1", "5;a\rb\r\nhello"),
        bad("a_chunk_longer_than_its_size_ends_it", "RFC 9112 7.1", "3\r\nhello"),
        bad("a_chunk_shorter_than_its_size_ends_it", "RFC 9112 7.1", "6\r\nhello"),
        bad("chunk_data_ended_by_a_bare_lf_ends_it", "RFC 9112 2.2", "5\r\nhello\n0\r\n\r\n"),
        bad("chunk_data_without_line_end_ends_it", "RFC 9112 7.1", "5\r\nhello0\r\n\r\n"),
        bad("chunk_data_with_two_line_ends_ends_it", "RFC 9112 7.1", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        bad("a_last_chunk_ended_by_a_bare_lf_ends_it", "RFC 9112 2.2", "5\r\nhello\r\n0\n"),
        // RFC 9112 2.2 lets a bare LF end a field line, and so the trailers as well. Whether it does or
        // not: who comes to another end than a proxy before this one must not go on behind it.
        ambiguous("trailers_ended_by_a_bare_lf_end_the_connection", "0\r\n\nGET / HTTP/1.1\r\nX-A: 1"),
        ambiguous("trailers_with_bare_lfs_end_the_connection", "0\r\nX-A: 1\n\nGET / HTTP/1.1\r\nX-B: 2"),
        bad("a_chunk_extension_without_end_ends_it", "CVE-2023-39326", extension(1 << 20)),
        bad("chunk_extensions_without_end_end_it", "CVE-2023-39326",
            format!("1;ext={}\r\na\r\n", "a".repeat(1000)).repeat(1000)),
        bad("a_trailer_without_end_ends_it", "RFC 6585 5", format!("0\r\nX-A: {}\r\n", "a".repeat(1 << 20))),
        bad("trailers_without_end_end_it", "RFC 6585 5", format!("0\r\n{}", "X-A: 1\r\n".repeat(10_000))),
        case("fields_that_frame_are_no_trailers", "RFC 9110 6.5.1")
            .send(chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: evil.test\r\n\r\n"))
            .status(&[200, 400]).target_lacks("gzip").target_lacks("evil.test").target_lacks("ontent-Length: 9")
            .target_lacks("ontent-length: 9"),
        case("what_the_proxy_says_cannot_come_in_trailers", "RFC 9110 6.5.1")
            .send(chunked("5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n"))
            .status(&[200, 400]).target_lacks("6.6.6.6"),
        case("a_malformed_trailer_is_never_forwarded", "RFC 9112 5.1")
            .send(chunked("5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n")).status(&[200, 400]).target_lacks("X-A "),
        case("a_folded_trailer_is_never_forwarded", "RFC 9112 5.2")
            .send(chunked("5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n")).status(&[200, 400]),
        case("a_trailer_with_nul_is_never_forwarded", "RFC 9110 5.5")
            .send(chunked("5\r\nhello\r\n0\r\nX-A: 1\x002\r\n\r\n")).status(&[200, 400]),
        // A proxy may end the connection behind trailers, as may any recipient at any time.
        case("a_request_behind_trailers_is_the_next_or_none", "RFC 9112 9.6")
            .send([chunked("5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"), get("")].concat()).requests_at_most(2)
            .status(&[200]),
    ]
}
