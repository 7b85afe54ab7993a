//! `Content-Length` of requests.

use crate::case::{Case, case, get, post};

/// What no target may ever see as a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// A POST with this `Content-Length` and five bytes.
fn length(value: &str) -> Vec<u8> {
    post(format!("Content-Length: {value}\r\n"), "hello")
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_body_of_a_length_arrives", "RFC 9112 6.2").send(length("5")).passes().target_body("hello"),
        case("a_length_of_zero_is_no_body", "RFC 9112 6.2")
            .send(post("Content-Length: 0\r\n", "")).passes().target_body(""),
        case("no_length_is_no_body", "RFC 9112 6.3")
            .send(post("", "")).passes().target_body(""),
        case("what_follows_a_body_is_the_next_request", "RFC 9112 6.3")
            .send([length("5"), get("")].concat()).answers(&[200, 200]).kept().target_body("hello"),
        case("what_follows_a_request_without_length_is_the_next", "RFC 9112 6.3")
            .send([post("", ""), get("")].concat()).answers(&[200, 200]).kept().target_body(""),
        case("get_may_have_a_body", "RFC 9110 9.3.1")
            .send(get("Content-Length: 5\r\n")).send("hello").passes().target_body("hello"),
        case("a_request_in_the_body_of_get_is_a_body", "RFC 9110 9.3.1")
            .send(get(format!("Content-Length: {}\r\n", SMUGGLED.len()))).send(SMUGGLED).passes()
            .target_body(SMUGGLED),
        case("zeros_before_a_length_do_not_count", "RFC 9110 8.6").send(length("0005")).passes().target_body("hello"),
        case("blanks_around_a_length_do_not_count", "RFC 9112 5.1").send(length("\t 5 ")).passes().target_body("hello"),
        case("two_unequal_lengths_are_refused", "RFC 9112 6.3")
            .send(length("5\r\nContent-Length: 6")).refused(&[400]),
        case("two_unequal_lengths_far_apart_are_refused", "RFC 9112 6.3")
            .send(length("6\r\nX-A: 1\r\nContent-Length: 5")).refused(&[400]),
        case("two_equal_lengths_are_never_forwarded_as_two", "RFC 9112 6.3")
            .send(length("5\r\nContent-Length: 5")).status(&[200, 400]),
        case("a_list_of_equal_lengths_is_never_forwarded", "RFC 9110 8.6")
            .send(length("5, 5")).status(&[200, 400]),
        case("a_list_of_unequal_lengths_is_refused", "RFC 9110 8.6").send(length("5, 6")).refused(&[400]),
        case("a_length_with_a_comma_at_its_end_is_refused", "RFC 9110 8.6").send(length("5,")).refused(&[400]),
        case("an_empty_length_is_refused", "RFC 9110 8.6").send(length("")).refused(&[400]),
        case("a_length_with_a_plus_is_refused", "RFC 9110 8.6").send(length("+5")).refused(&[400]),
        case("a_negative_length_is_refused", "RFC 9110 8.6").send(length("-1")).refused(&[400]),
        case("minus_nothing_is_refused", "RFC 9110 8.6").send(length("-0")).refused(&[400]),
        case("a_length_in_hexadecimal_is_refused", "RFC 9110 8.6").send(length("0x5")).refused(&[400]),
        case("a_length_with_a_letter_is_refused", "RFC 9110 8.6").send(length("5a")).refused(&[400]),
        case("a_length_with_a_space_inside_is_refused", "RFC 9110 8.6").send(length("5 5")).refused(&[400]),
        case("a_length_with_a_fraction_is_refused", "RFC 9110 8.6").send(length("5.0")).refused(&[400]),
        case("a_length_with_an_exponent_is_refused", "RFC 9110 8.6").send(length("5e0")).refused(&[400]),
        case("a_length_in_quotes_is_refused", "RFC 9110 8.6").send(length("\"5\"")).refused(&[400]),
        case("a_length_with_nul_is_refused", "RFC 9110 5.5").send(length("5\0")).refused(&[400]),
        case("digits_beyond_ascii_are_no_length", "RFC 9110 8.6").send(length("\u{665}")).refused(&[400]),
        case("a_length_of_2_to_the_64_is_refused", "RFC 9110 8.6")
            .send(length("18446744073709551616")).refused(&[400, 413]),
        case("a_length_that_would_wrap_to_5_is_refused", "RFC 9110 8.6")
            .send(length("18446744073709551621")).refused(&[400, 413]),
        case("a_length_of_forty_digits_is_refused", "RFC 9110 8.6").send(length(&"9".repeat(40))).refused(&[400, 413]),
        case("a_length_before_a_colon_with_a_space_is_refused", "RFC 9112 5.1")
            .send(post("Content-Length : 5\r\n", "hello")).refused(&[400]),
        case("a_bad_length_of_get_is_refused", "RFC 9110 8.6")
            .send(get("Content-Length: x\r\n")).refused(&[400]),
        case("a_body_for_an_unknown_host_is_not_a_request", "RFC 9112 6.3")
            .send(format!("POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()))
            .rejected(&[404]).target_lacks("smuggled"),
        case("a_body_of_a_request_that_is_refused_is_not_a_request", "RFC 9112 6.3")
            .send(format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .refused(&[400]).target_lacks("smuggled"),
        case("a_body_of_connect_is_not_a_request", "RFC 9110 9.3.6")
            .send(format!("CONNECT app.test:80 HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()))
            .rejected(&[400, 403, 404, 405, 501]).target_lacks("smuggled"),
    ]
}
