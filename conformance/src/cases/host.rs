//! `Host`, and what else names the host.

use crate::case::{Case, case};

fn host(value: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n").into_bytes()
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("http_1_1_without_host_is_refused", "RFC 9112 3.2")
            .send("GET / HTTP/1.1\r\n\r\n").refused(&[400]),
        case("http_1_0_without_host_is_for_nobody", "RFC 9112 3.2")
            .send("GET / HTTP/1.0\r\n\r\n").rejected(&[404]),
        case("two_hosts_are_refused", "RFC 9112 3.2")
            .send(host("app.test\r\nHost: other.test")).refused(&[400]),
        case("two_hosts_of_one_name_are_refused", "RFC 9112 3.2")
            .send(host("app.test\r\nhost: app.test")).refused(&[400]),
        case("two_hosts_far_apart_are_refused", "RFC 9112 3.2")
            .send(host("app.test\r\nX-A: 1\r\nX-B: 2\r\nHOST: app.test")).refused(&[400]),
        case("two_hosts_in_http_1_0_are_refused", "RFC 9112 3.2")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\nHost: other.test\r\n\r\n").refused(&[400]),
        case("an_empty_host_is_for_nobody", "RFC 9112 3.2")
            .send(host("")).rejected(&[400, 404]),
        case("a_list_of_hosts_is_refused", "RFC 9112 3.2")
            .send(host("app.test, other.test")).refused(&[400]),
        case("a_list_of_hosts_without_space_is_for_nobody", "RFC 9112 3.2")
            .send(host("app.test,other.test")).rejected(&[400, 404]),
        case("a_path_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test/a")).refused(&[400]),
        case("a_query_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test?a")).refused(&[400]),
        case("a_fragment_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test#a")).refused(&[400]),
        case("a_backslash_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test\\evil.test")).refused(&[400]),
        case("user_information_in_host_is_refused", "RFC 9110 4.2.4")
            .send(host("app.test@evil.test")).refused(&[400]),
        case("a_space_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test evil.test")).refused(&[400]),
        case("a_tab_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test\tevil.test")).refused(&[400]),
        case("nul_in_host_is_refused", "RFC 9110 7.2")
            .send(host("app.test\0evil.test")).refused(&[400]),
        case("a_quote_in_host_is_refused", "RFC 9110 7.2")
            .send(host("\"app.test\"")).refused(&[400]),
        case("percent_encoding_in_host_does_not_find_the_app", "RFC 9110 7.2")
            .send(host("app%2Etest")).rejected(&[400, 404]),
        case("letters_beyond_ascii_in_host_are_refused", "RFC 9110 7.2")
            .send(host("\u{e4}pp.test")).rejected(&[400, 404]),
        case("a_port_in_host_is_passed_on", "RFC 9110 7.2")
            .send(host("app.test:8080")).passes().target_field("host", &["app.test:8080"]),
        case("an_empty_port_in_host_is_none", "RFC 3986 3.2.3")
            .send(host("app.test:")).passes(),
        case("a_port_of_letters_is_refused", "RFC 3986 3.2.3")
            .send(host("app.test:http")).refused(&[400]),
        case("a_port_with_a_sign_is_refused", "RFC 3986 3.2.3")
            .send(host("app.test:+80")).refused(&[400]),
        case("a_port_beyond_all_is_refused", "RFC 3986 3.2.3")
            .send(host("app.test:123456")).refused(&[400]),
        case("two_ports_are_refused", "RFC 3986 3.2.3")
            .send(host("app.test:80:80")).refused(&[400]),
        case("letters_of_a_host_have_no_case", "RFC 3986 3.2.2")
            .send(host("APP.Test")).passes(),
        case("a_dot_at_the_end_of_a_host_does_not_matter", "RFC 1034 3.1")
            .send(host("app.test.")).passes(),
        case("an_open_bracket_is_refused", "RFC 3986 3.2.2")
            .send(host("[::1")).refused(&[400]),
        case("brackets_around_a_name_are_refused", "RFC 3986 3.2.2")
            .send(host("[app.test]")).refused(&[400]),
        case("blanks_around_a_host_do_not_count", "RFC 9112 5.1")
            .send(host("\t app.test \t")).passes().target_field("host", &["app.test"]),
        case("an_unknown_host_is_not_found", "RFC 9110 15.5.5")
            .send(host("other.test")).rejected(&[404]).kept(),
        case("absolute_form_overrides_host", "RFC 9112 3.2.2")
            .send("GET http://app.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n").passes()
            .target_line("GET /a HTTP/1.1").target_field("host", &["app.test"]).target_lacks("other.test"),
        case("the_port_of_absolute_form_overrides_host", "RFC 9112 3.2.2")
            .send("GET http://app.test:81/a HTTP/1.1\r\nHost: app.test\r\n\r\n").passes()
            .target_field("host", &["app.test:81"]),
        case("absolute_form_of_an_unknown_host_is_not_found", "RFC 9112 3.2.2")
            .send("GET http://other.test/a HTTP/1.1\r\nHost: app.test\r\n\r\n").rejected(&[404]),
        case("absolute_form_without_host_is_refused", "RFC 9112 3.2")
            .send("GET http://app.test/ HTTP/1.1\r\n\r\n").refused(&[400]),
        case("absolute_form_with_a_malformed_host_is_refused", "RFC 9112 3.2")
            .send("GET http://app.test/ HTTP/1.1\r\nHost: a b\r\n\r\n").refused(&[400]),
        case("absolute_form_with_two_hosts_is_refused", "RFC 9112 3.2")
            .send("GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\nHost: app.test\r\n\r\n").refused(&[400]),
    ]
}
