//! HTTP/2 to the client, HTTP/1.1 to the target: nothing that could be two requests, or another.

use crate::case::{Case, case};
use crate::h2::{GET, POST, data, head, last_data, request, trailers};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// `name`: a GET with this field instead of one of its own, or beside them, never becomes a request.
fn bad(name: &'static str, rule: &'static str, field: (&str, &str)) -> Case {
    let mut fields: Vec<_> = GET.into();
    match fields.iter_mut().find(|(name, _)| *name == field.0) {
        Some(own) => *own = field,
        None => fields.push(field),
    }
    case(name, rule).h2(request(1, &fields)).malformed().target_lacks("evil")
}

fn post(fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    [head(1, &[&POST[..], fields].concat()), last_data(1, body)].concat()
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        bad("crlf_in_a_value_splits_nothing", "RFC 9113 8.2.1", ("x-a", "1\r\nevil: 1")),
        bad("lf_in_a_value_splits_nothing", "RFC 9113 8.2.1", ("x-a", "1\nevil: 1")),
        bad("cr_in_a_value_splits_nothing", "RFC 9113 8.2.1", ("x-a", "1\revil: 1")),
        bad("nul_in_a_value_over_http_2_is_refused", "RFC 9113 8.2.1", ("x-a", "1\0evil")),
        bad("crlf_in_a_name_splits_nothing", "RFC 9113 8.2.1", ("x-a: 1\r\nevil", "1")),
        bad("lf_in_a_name_splits_nothing", "RFC 9113 8.2.1", ("x-a\nevil", "1")),
        bad("nul_in_a_name_over_http_2_is_refused", "RFC 9113 8.2.1", ("x-a\0evil", "1")),
        bad("crlf_in_a_path_splits_nothing", "RFC 9113 10.3", (":path", "/ HTTP/1.1\r\nHost: evil.test\r\n\r\nGET /")),
        bad("lf_in_a_path_splits_nothing", "RFC 9113 10.3", (":path", "/\nevil")),
        bad("nul_in_a_path_is_refused", "RFC 9113 10.3", (":path", "/\0evil")),
        bad("a_version_in_a_path_is_refused", "RFC 9113 10.3", (":path", "/evil HTTP/1.1")),
        bad("crlf_in_a_method_splits_nothing", "RFC 9113 10.3",
                (":method", "GET /evil HTTP/1.1\r\nHost: app.test\r\n\r\nGET")),
        bad("a_path_in_a_method_is_refused", "RFC 9113 10.3", (":method", "GET /evil HTTP/1.1")),
        bad("crlf_in_an_authority_splits_nothing", "RFC 9113 10.3", (":authority", "app.test\r\nevil: 1")),
        bad("crlf_in_a_scheme_splits_nothing", "RFC 9113 10.3", (":scheme", "http\r\nevil: 1")),
        bad("a_url_as_a_scheme_is_refused", "RFC 9113 8.3.1", (":scheme", "http://evil.test/a?")),
        bad("a_coding_in_disguise_is_refused", "RFC 9113 8.2.1", ("transfer-encoding ", "chunked")),
        bad("a_coding_behind_a_line_end_is_refused", "RFC 9113 8.2.1", ("x-a", "1\r\ntransfer-encoding: chunked")),
        bad("a_length_over_http_2_with_a_plus_is_refused", "RFC 9110 8.6", ("content-length", "+5")),
        bad("a_length_over_http_2_beyond_all_is_refused", "RFC 9110 8.6", ("content-length", "18446744073709551621")),
        bad("a_length_over_http_2_without_a_body_is_refused", "RFC 9113 8.1.1", ("content-length", "5")),
        case("a_body_longer_than_its_length_is_refused", "RFC 9113 8.1.1")
            .h2(post(&[("content-length", "0")], SMUGGLED)).target_lacks("smuggled").refused_late(),
        case("a_body_a_byte_longer_than_its_length_is_refused", "RFC 9113 8.1.1")
            .h2(post(&[("content-length", "4")], "hello")).refused_late(),
        case("a_body_shorter_than_its_length_is_refused", "RFC 9113 8.1.1")
            .h2(post(&[("content-length", "10")], "hello")).refused_late(),
        case("a_body_longer_than_its_length_in_pieces_is_refused", "RFC 9113 8.1.1")
            .h2([head(1, &[&POST[..], &[("content-length", "5")]].concat()), data(1, b"hello")].concat())
            .target_sees("hello").send(last_data(1, SMUGGLED))
            .target_lacks("smuggled").requests_at_most(1),
        case("two_unequal_lengths_over_http_2_are_refused", "RFC 9110 8.6")
            .h2(post(&[("content-length", "5"), ("content-length", "6")], "hello")).refused_late(),
        case("a_length_beside_a_coding_over_http_2_is_refused", "RFC 9113 8.2.2")
            .h2(post(&[("content-length", "5"), ("transfer-encoding", "chunked")], "hello")).malformed(),
        case("a_coding_of_a_body_over_http_2_is_refused", "RFC 9113 8.2.2")
            .h2(post(&[("transfer-encoding", "chunked")], &format!("0\r\n\r\n{SMUGGLED}"))).malformed()
            .target_lacks("smuggled"),
        case("the_end_of_chunks_in_a_body_ends_nothing", "RFC 9112 7.1")
            .h2(post(&[], &format!("0\r\n\r\n{SMUGGLED}"))).answers(&[200]).kept()
            .target_body(format!("0\r\n\r\n{SMUGGLED}")),
        case("a_request_in_a_body_over_http_2_is_a_body", "RFC 9113 10.3").h2(post(&[], SMUGGLED)).answers(&[200])
            .kept().target_body(SMUGGLED),
        case("crlf_in_a_trailer_splits_nothing", "RFC 9113 8.2.1")
            .h2([head(1, &POST), data(1, b"hello"), trailers(1,
                &[("x-a", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n")])].concat())
            .requests_at_most(1).target_lacks("smuggled").stream_error(&[crate::h2::PROTOCOL_ERROR]),
        case("te_over_http_2_lets_no_coding_pass", "RFC 9110 10.1.4").h2_get(&[("te", "trailers")]).answers(&[200])
            .target_lacks("gzip"),
    ]
}
