//! Request lines and request targets.

use crate::case::{Case, case};
use crate::peer::Peer::Haproxy;

fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: app.test\r\n\r\n").into_bytes()
}

pub(super) fn cases() -> Vec<Case> {
    targets().into_iter().chain(lines()).collect()
}

#[rustfmt::skip]
fn targets() -> Vec<Case> {
    vec![
        case("origin_form_arrives_as_it_came", "RFC 9112 3.2.1")
            .send(line("GET /a/b?c=d&e HTTP/1.1")).passes().target_line("GET /a/b?c=d&e HTTP/1.1"),
        case("absolute_form_arrives_as_origin_form", "RFC 9112 3.2.2")
            .send(line("GET http://app.test/a?b HTTP/1.1")).passes().target_line("GET /a?b HTTP/1.1"),
        case("absolute_form_without_path_asks_for_the_root", "RFC 9112 3.2.1")
            .send(line("GET http://app.test HTTP/1.1")).passes().target_line("GET / HTTP/1.1"),
        case("absolute_form_with_a_query_alone_asks_for_the_root", "RFC 9112 3.2.1")
            .send(line("GET http://app.test?b=c HTTP/1.1")).passes().target_line("GET /?b=c HTTP/1.1"),
        case("the_scheme_of_absolute_form_has_no_case", "RFC 3986 3.1")
            .send(line("GET HTTP://app.test/a HTTP/1.1")).passes().target_line("GET /a HTTP/1.1"),
        case("user_information_in_absolute_form_is_refused", "RFC 9110 4.2.4")
            .send(line("GET http://app.test@evil.test/ HTTP/1.1")).refused(&[400, 404]),
        case("absolute_form_without_a_host_is_refused", "RFC 9110 4.2.1")
            .send(line("GET http:///a HTTP/1.1")).refused(&[400]),
        case("a_port_beyond_all_in_absolute_form_is_refused", "RFC 3986 3.2.3")
            .send(line("GET http://app.test:123456/ HTTP/1.1")).refused(&[400]),
        case("asterisk_form_arrives_as_it_came", "RFC 9112 3.2.4")
            .send(line("OPTIONS * HTTP/1.1")).passes().target_line("OPTIONS * HTTP/1.1"),
        case("asterisk_form_is_for_options_alone", "RFC 9112 3.2.4")
            .send(line("GET * HTTP/1.1")).rejected(&[400]),
        case("authority_form_is_for_connect_alone", "RFC 9112 3.2.3")
            .send(line("GET app.test:80 HTTP/1.1")).rejected(&[400]),
        case("connect_opens_no_tunnel", "RFC 9110 9.3.6")
            .send(line("CONNECT app.test:80 HTTP/1.1")).rejected(&[400, 403, 404, 405, 501]),
        case("connect_to_a_path_opens_no_tunnel", "RFC 9112 3.2.3")
            .send(line("CONNECT / HTTP/1.1")).rejected(&[400, 403, 404, 405, 501]),
        case("connect_opens_no_tunnel_for_what_follows", "RFC 9110 9.3.6")
            .send(line("CONNECT app.test:443 HTTP/1.1")).send("\x16\x03\x01 not HTTP\r\n\r\n").requests(0)
            .target_lacks("not HTTP").check(|outcome| match outcome.responses.first() {
                Some(first) if first.status >= 400 => Ok(()),
                first => Err(format!("answered {:?}", first.map(|first| first.status))),
            }).closed(),
        case("a_target_without_a_slash_is_refused", "RFC 9112 3.2.1")
            .send(line("GET index.html HTTP/1.1")).rejected(&[400]),
        case("a_fragment_is_never_forwarded", "RFC 9112 3.2.1")
            .send(line("GET /a#b HTTP/1.1")).status(&[200, 400]).target_lacks("#"),
        case("two_slashes_at_the_start_are_a_path", "RFC 9112 3.2.1")
            .send(line("GET //evil.test/a HTTP/1.1")).passes().target_line("GET //evil.test/a HTTP/1.1")
            .target_field("host", &["app.test"]),
        case("percent_encodings_arrive_as_they_came", "RFC 3986 2.4")
            .send(line("GET /a%2Fb%7e%0d%0a?%20%41 HTTP/1.1")).passes()
            .target_line("GET /a%2Fb%7e%0d%0a?%20%41 HTTP/1.1"),
        case("dots_in_a_path_arrive_as_they_came", "ours")
            .send(line("GET /a/../b/./c HTTP/1.1")).passes().target_line("GET /a/../b/./c HTTP/1.1"),
        case("nul_in_a_target_is_refused", "RFC 9112 3.2")
            .send(line("GET /a\0b HTTP/1.1")).refused(&[400]),
        case("a_space_in_a_target_is_refused", "RFC 9112 3.2")
            .send(line("GET /a b HTTP/1.1")).refused(&[400]),
        case("a_tab_in_a_target_is_refused", "RFC 9112 3.2")
            .send(line("GET /a\tb HTTP/1.1")).refused(&[400]),
        case("a_bare_cr_in_a_target_is_refused", "RFC 9112 2.2")
            .send(line("GET /a\rX: b HTTP/1.1")).refused(&[400]),
        case("a_bare_cr_at_the_end_of_a_request_line_is_refused", "RFC 9112 2.2")
            .send("GET / HTTP/1.1\rHost: app.test\r\n\r\n").refused(&[400]),
    ]
}

#[rustfmt::skip]
fn lines() -> Vec<Case> {
    vec![
        case("two_spaces_after_the_method_are_refused", "RFC 9112 3")
            .send(line("GET  / HTTP/1.1")).refused(&[400]),
        case("two_spaces_after_the_target_are_refused", "RFC 9112 3")
            .send(line("GET /  HTTP/1.1")).refused(&[400]),
        case("a_tab_between_words_is_refused", "RFC 9112 3")
            .send(line("GET\t/ HTTP/1.1")).refused(&[400]),
        case("a_space_before_the_method_is_refused", "RFC 9112 3")
            .send(line(" GET / HTTP/1.1")).refused(&[400]),
        case("a_space_after_the_version_is_refused", "RFC 9112 3")
            .send(line("GET / HTTP/1.1 ")).refused(&[400]),
        case("an_empty_line_before_a_request_is_skipped", "RFC 9112 2.2")
            .send("\r\n").send(line("GET /a HTTP/1.1")).passes().target_line("GET /a HTTP/1.1"),
        case("the_name_of_the_protocol_has_a_case", "RFC 9112 2.3")
            .send(line("GET / http/1.1")).refused(&[400, 505]),
        case("another_protocol_is_refused", "RFC 9112 2.3")
            .send(line("GET / RTSP/1.1")).refused(&[400, 505]),
        case("a_version_of_two_digits_is_refused", "RFC 9112 2.3")
            .send(line("GET / HTTP/1.10")).refused(&[400, 505]),
        case("http_2_is_not_spoken_in_lines", "RFC 9113 3.4")
            .send(line("GET / HTTP/2.0")).refused(&[400, 505]),
        case("a_version_nobody_knows_is_refused", "RFC 9110 15.6.6")
            .send(line("GET / HTTP/9.9")).refused(&[400, 505]),
        case("a_request_without_version_is_refused", "RFC 9112 3")
            .send("GET /\r\n").send(line("GET / HTTP/1.1")).refused(&[400, 505]),
        case("a_request_of_http_1_0_is_forwarded_as_http_1_1", "RFC 9110 2.5")
            .send(line("GET / HTTP/1.0")).answers(&[200]).closed().target_line("GET / HTTP/1.1"),
        case("a_method_nobody_knows_is_forwarded", "RFC 9110 9.1")
            .send(line("BREW /pot HTTP/1.1")).passes().target_line("BREW /pot HTTP/1.1"),
        case("a_method_is_any_token", "RFC 9110 5.6.2")
            .send(line("M!#$%&'*+-.^_`|~9 / HTTP/1.1")).passes().target_line("M!#$%&'*+-.^_`|~9 / HTTP/1.1"),
        case("a_method_has_a_case", "RFC 9110 9.1")
            .send(line("get / HTTP/1.1")).passes().target_line("get / HTTP/1.1"),
        case("a_method_that_is_no_token_is_refused", "RFC 9110 5.6.2")
            .send(line("GE(T / HTTP/1.1")).refused(&[400]),
        case("a_line_without_a_method_is_refused", "RFC 9112 3")
            .send(line("/ HTTP/1.1")).refused(&[400]),
        case("a_target_of_8000_bytes_is_forwarded", "RFC 9112 3")
            .send(line(&format!("GET /{} HTTP/1.1", "a".repeat(7999)))).passes(),
        case("a_target_over_8_kib_is_too_long", "RFC 9110 15.5.15")
            .send(line(&format!("GET /{} HTTP/1.1", "a".repeat(9000)))).rejected(&[414]).except(&[Haproxy]),
        case("a_target_of_100_kib_is_too_long", "RFC 9110 15.5.15")
            .send(line(&format!("GET /{} HTTP/1.1", "a".repeat(100 << 10)))).refused(&[400, 414, 431]),
        case("a_line_of_nothing_but_letters_ends", "RFC 9112 3")
            .send("A".repeat(100 << 10)).send("\r\n\r\n").refused(&[400, 414, 431, 501]).bounded(),
        case("tls_on_a_plain_port_is_refused", "RFC 9112 3")
            .send("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n").refused(&[400]),
    ]
}
