//! `Transfer-Encoding` of requests, alone and beside `Content-Length`.

use crate::case::{Case, case, get, post};

/// Five bytes, and what the other reading of a message that has two lengths would take for a request.
const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// A POST with this `Transfer-Encoding` and a chunked body.
fn coding(value: &str) -> Vec<u8> {
    post(format!("Transfer-Encoding: {value}\r\n"), BODY)
}

/// A POST with this `Transfer-Encoding` and a length.
fn both(coding: &str) -> Vec<u8> {
    post(format!("Content-Length: {}\r\n{coding}\r\n", SMUGGLED.len()), SMUGGLED)
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_chunked_body_arrives", "RFC 9112 7.1").send(coding("chunked")).passes().target_body("hello"),
        case("chunked_has_no_case", "RFC 9112 7").send(coding("ChunKED")).passes().target_body("hello"),
        case("chunked_needs_no_space_before_it", "RFC 9112 5.1")
            .send(post("Transfer-Encoding:chunked\r\n", BODY)).passes().target_body("hello"),
        case("get_may_have_a_chunked_body", "RFC 9110 9.3.1")
            .send(get("Transfer-Encoding: chunked\r\n")).send(BODY).passes().target_body("hello"),
        case("what_follows_the_last_chunk_is_the_next_request", "RFC 9112 7.1")
            .send([coding("chunked"), get("")].concat()).answers(&[200, 200]).kept().target_body("hello"),
        // Refused, or read by its chunks alone and the connection closed: RFC 9112 6.3 allows both.
        case("a_length_beside_chunked_ends_the_connection", "RFC 9112 6.3")
            .send(both("Transfer-Encoding: chunked")).status(&[200, 400]).closed()
            .requests_at_most(1).target_lacks("smuggled").target_lacks("content-length"),
        case("a_length_after_chunked_ends_the_connection", "RFC 9112 6.3")
            .send(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", BODY))
            .status(&[200, 400]).closed().requests_at_most(1).target_lacks("content-length"),
        case("a_length_of_zero_beside_chunked_ends_the_connection", "RFC 9112 6.3")
            .send(post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", BODY))
            .status(&[200, 400]).closed().requests_at_most(1).target_lacks("content-length"),
        case("a_length_beside_another_coding_is_refused", "RFC 9112 6.3")
            .send(both("Transfer-Encoding: gzip")).refused(&[400, 501]).target_lacks("smuggled"),
        case("a_length_beside_a_list_that_ends_in_chunked_is_refused", "RFC 9112 6.3")
            .send(both("Transfer-Encoding: gzip, chunked")).refused(&[400, 501]).target_lacks("smuggled"),
        case("a_coding_behind_a_bare_lf_counts_beside_a_length", "RFC 9112 2.2")
            .send(both("X-A: 1\nTransfer-Encoding: chunked")).status(&[200, 400]).closed()
            .requests_at_most(1).target_lacks("smuggled"),
        case("a_coding_behind_a_bare_cr_is_refused", "RFC 9112 2.2")
            .send(both("X-A: 1\rTransfer-Encoding: chunked")).refused(&[400]).target_lacks("smuggled"),
        case("a_coding_with_a_space_before_the_colon_is_refused", "RFC 9112 5.1")
            .send(both("Transfer-Encoding : chunked")).refused(&[400]).target_lacks("smuggled"),
        case("a_coding_with_a_space_before_its_name_is_refused", "RFC 9112 5.2")
            .send(both(" Transfer-Encoding: chunked")).refused(&[400]).target_lacks("smuggled"),
        case("a_coding_on_a_folded_line_is_refused", "RFC 9112 5.2")
            .send(both("Transfer-Encoding:\r\n chunked")).refused(&[400]).target_lacks("smuggled"),
        case("a_coding_with_nul_in_its_name_is_refused", "RFC 9110 5.1")
            .send(both("Transfer-Encoding\0: chunked")).refused(&[400]).target_lacks("smuggled"),
        case("chunked_behind_a_vertical_tab_is_refused", "RFC 9110 5.5")
            .send(coding("\x0bchunked")).refused(&[400, 501]),
        case("chunked_before_nul_is_refused", "RFC 9110 5.5").send(coding("chunked\0")).refused(&[400, 501]),
        case("chunked_twice_is_refused", "RFC 9112 6.1").send(coding("chunked, chunked")).refused(&[400, 501]),
        case("chunked_in_two_lines_is_refused", "RFC 9112 6.1")
            .send(coding("chunked\r\nTransfer-Encoding: chunked")).refused(&[400, 501]),
        case("chunked_before_identity_is_refused", "RFC 9112 6.3")
            .send(coding("chunked, identity")).refused(&[400, 501]),
        case("chunked_before_identity_in_two_lines_is_refused", "RFC 9112 6.3")
            .send(coding("chunked\r\nTransfer-Encoding: identity")).refused(&[400, 501]),
        case("identity_is_refused", "RFC 9112 7").send(coding("identity")).refused(&[400, 501]),
        case("identity_before_chunked_is_refused", "RFC 9112 7").send(coding("identity, chunked")).refused(&[400, 501]),
        case("a_coding_that_begins_with_x_is_refused", "RFC 9112 6.3").send(coding("xchunked")).refused(&[400, 501]),
        case("a_coding_that_begins_like_chunked_is_refused", "RFC 9112 6.3").send(coding("chunkedx"))
            .refused(&[400, 501]),
        case("a_coding_nobody_knows_is_refused", "RFC 9112 6.1").send(coding("cow")).refused(&[400, 501]),
        case("a_coding_nobody_knows_before_chunked_is_refused", "RFC 9112 6.1")
            .send(coding("cow, chunked")).refused(&[400, 501]),
        case("gzip_that_nobody_undoes_is_refused", "RFC 9112 6.1").send(coding("gzip, chunked")).refused(&[400, 501]),
        case("chunked_before_gzip_is_refused", "RFC 9112 6.3").send(coding("chunked, gzip")).refused(&[400, 501]),
        case("chunked_in_quotes_is_refused", "RFC 9112 6.1").send(coding("\"chunked\"")).refused(&[400, 501]),
        case("chunked_with_a_parameter_is_refused", "RFC 9112 7.1").send(coding("chunked;q=1")).refused(&[400, 501]),
        case("chunked_after_a_space_instead_of_a_comma_is_refused", "RFC 9112 6.1")
            .send(coding("x chunked")).refused(&[400, 501]),
        case("an_empty_coding_is_refused", "RFC 9112 6.1").send(coding("")).refused(&[400, 501]),
        case("gaps_around_chunked_are_nothing_or_refused", "RFC 9110 5.6.1")
            .send(coding(",chunked,")).status(&[200, 400, 501]),
        case("a_coding_in_http_1_0_is_refused", "RFC 9112 6.1")
            .send(format!("POST / HTTP/1.0\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"))
            .refused(&[400, 501]),
        case("a_coding_in_http_1_0_that_is_kept_is_refused", "RFC 9112 6.1")
            .send(format!("POST / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"))
            .refused(&[400, 501]),
    ]
}
