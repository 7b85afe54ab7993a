//! Field lines of requests.

use crate::case::{Case, case, get};

fn many(n: usize) -> String {
    (0..n).fold(String::new(), |all, i| all + &format!("X-{i}: {i}\r\n"))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_space_before_the_colon_is_refused", "RFC 9112 5.1")
            .send(get("X-A : 1\r\n")).refused(&[400]),
        case("a_tab_before_the_colon_is_refused", "RFC 9112 5.1")
            .send(get("X-A\t: 1\r\n")).refused(&[400]),
        case("a_folded_line_is_refused", "RFC 9112 5.2")
            .send(get("X-A: 1\r\n 2\r\n")).refused(&[400]),
        case("a_line_folded_with_a_tab_is_refused", "RFC 9112 5.2")
            .send(get("X-A: 1\r\n\tX-B: 2\r\n")).refused(&[400]),
        case("a_folded_host_is_refused", "RFC 9112 5.2")
            .send("GET / HTTP/1.1\r\nHost:\r\n app.test\r\n\r\n").refused(&[400]),
        case("a_blank_before_the_first_field_is_refused", "RFC 9112 2.2")
            .send("GET / HTTP/1.1\r\n Host: app.test\r\nHost: app.test\r\n\r\n").refused(&[400]),
        case("nul_in_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: 1\x002\r\n")).refused(&[400]),
        case("a_bare_cr_in_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: 1\rX-B: 2\r\n")).refused(&[400]),
        case("a_bare_cr_at_the_end_of_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: 1\r\r\n")).refused(&[400]),
        case("a_bell_in_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: 1\x072\r\n")).refused(&[400]),
        case("an_escape_in_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: \x1b[31m\r\n")).refused(&[400]),
        case("a_vertical_tab_before_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A:\x0b1\r\n")).refused(&[400]),
        case("a_delete_in_a_value_is_refused", "RFC 9110 5.5")
            .send(get("X-A: 1\x7f2\r\n")).refused(&[400]),
        case("a_tab_in_a_value_is_part_of_it", "RFC 9110 5.5")
            .send(get("X-A: 1\t2\r\n")).passes().target_field("x-a", &["1\t2"]),
        case("a_bare_lf_ends_a_line_and_is_not_forwarded", "RFC 9112 2.2")
            .send(get("X-A: 1\nX-B: 2\r\n")).passes()
            .target_field("x-a", &["1"]).target_field("x-b", &["2"]),
        case("a_head_of_bare_lfs_is_forwarded_with_crlf", "RFC 9112 2.2")
            .send("GET / HTTP/1.1\nHost: app.test\nX-A: 1\n\n").passes().target_field("x-a", &["1"]),
        case("a_length_behind_a_bare_lf_counts", "RFC 9112 2.2")
            .send("POST / HTTP/1.1\r\nHost: app.test\r\nX-A: 1\nContent-Length: 5\r\n\r\nhello").passes()
            .target_body("hello"),
        case("an_empty_name_is_refused", "RFC 9110 5.1")
            .send(get(": 1\r\n")).refused(&[400]),
        case("a_name_with_a_space_is_refused", "RFC 9110 5.1")
            .send(get("X A: 1\r\n")).refused(&[400]),
        case("a_name_with_brackets_is_refused", "RFC 9110 5.1")
            .send(get("X(A): 1\r\n")).refused(&[400]),
        case("a_name_with_nul_is_refused", "RFC 9110 5.1")
            .send(get("X-A\0: 1\r\n")).refused(&[400]),
        case("a_name_beyond_ascii_is_refused", "RFC 9110 5.1")
            .send(get("X-\u{e4}: 1\r\n")).refused(&[400]),
        case("a_name_with_a_bare_cr_is_refused", "RFC 9110 5.1")
            .send(get("X-A\r: 1\r\n")).refused(&[400]),
        case("a_line_without_colon_is_refused", "RFC 9112 5")
            .send(get("X-A\r\n")).refused(&[400]),
        case("an_empty_value_is_a_value", "RFC 9110 5.5")
            .send(get("X-A:\r\nX-B: 2\r\n")).passes().target_field("x-a", &[""]).target_field("x-b", &["2"]),
        case("bytes_beyond_ascii_in_a_value_arrive_as_they_came", "RFC 9110 5.5")
            .send(get("X-A: \u{e4}\u{20ac}\r\n")).passes().target_field("x-a", &["\u{e4}\u{20ac}"]),
        case("blanks_around_a_value_do_not_count", "RFC 9112 5.1")
            .send(get("X-A:\t 1 2 \t\r\n")).passes().target_field("x-a", &["1 2"]),
        case("a_value_without_a_space_before_it_is_the_same", "RFC 9112 5.1")
            .send(get("X-A:1\r\n")).passes().target_field("x-a", &["1"]),
        case("lines_of_one_name_keep_their_order", "RFC 9110 5.3")
            .send(get("X-A: 1\r\nX-B: 9\r\nx-a: 2\r\nX-A: 3\r\n")).passes().target_field("x-a", &["1", "2", "3"]),
        case("cookie_lines_keep_their_order", "RFC 6265 5.4")
            .send(get("Cookie: a=1\r\nCookie: b=2; c=3\r\n")).passes()
            .target_field("cookie", &["a=1", "b=2; c=3"]),
        case("a_name_has_any_token_byte", "RFC 9110 5.1")
            .send(get("X!#$%&'*+-.^`|~9: 1\r\n")).passes().target_field("x!#$%&'*+-.^`|~9", &["1"]),
        case("ninety_fields_are_forwarded", "ours")
            .send(get(many(90))).passes().target_field("x-89", &["89"]),
        case("more_than_a_hundred_fields_are_too_many", "RFC 6585 5")
            .send(get(many(120))).refused(&[431]).ours(),
        case("fields_without_end_are_too_many", "RFC 6585 5")
            .send(get(many(9000))).refused(&[400, 413, 431]).bounded(),
        case("a_value_of_16_kib_is_forwarded", "ours")
            .send(get(format!("X-A: {}\r\n", "a".repeat(16 << 10)))).passes().ours(),
        case("a_head_over_64_kib_is_too_large", "RFC 6585 5")
            .send(get(format!("X-A: {}\r\n", "a".repeat(80 << 10)))).refused(&[431]).ours(),
        case("a_value_without_end_is_too_large", "RFC 6585 5")
            .send(get(format!("X-A: {}\r\n", "a".repeat(1 << 20)))).refused(&[400, 413, 431]).bounded(),
        case("a_name_without_end_is_too_large", "RFC 6585 5")
            .send(get(format!("{}: 1\r\n", "a".repeat(1 << 20)))).refused(&[400, 413, 431]).bounded(),
        case("a_head_that_comes_byte_by_byte_is_the_same", "RFC 9112 2.2")
            .bytewise(get("X-A: 1\r\nCookie: a=b\r\n")).passes().target_field("x-a", &["1"]),
        case("authorization_is_passed_on", "RFC 9110 11.6.2")
            .send(get("Authorization: Basic YTpi\r\n")).passes().target_field("authorization", &["Basic YTpi"]),
    ]
}
