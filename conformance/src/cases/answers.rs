//! Heads of the target's responses, and bodies that have one length only.

use crate::case::{Case, case, get, ok};

/// A GET that the target answers with `answer`.
fn asked(name: &'static str, rule: &'static str, answer: impl AsRef<[u8]>) -> Case {
    case(name, rule).send(get("")).answer(answer).requests(1)
}

/// Such an answer is none.
fn bad(name: &'static str, rule: &'static str, answer: impl AsRef<[u8]>) -> Case {
    asked(name, rule, answer).status(&[502])
}

/// Such an answer is none, or what is wrong about it is put right.
fn odd(name: &'static str, rule: &'static str, answer: impl AsRef<[u8]>) -> Case {
    asked(name, rule, answer).status(&[200, 502])
}

/// An answer with this `Content-Length`.
fn length(value: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello")
}

/// An answer with this `Transfer-Encoding`.
fn coding(value: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
}

fn many(n: usize) -> String {
    (0..n).fold(String::new(), |all, i| all + &format!("X-{i}: {i}\r\n"))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        asked("an_answer_of_a_length_arrives", "RFC 9112 6.2", length("5")).passes().bodies(&["hello"]),
        asked("a_chunked_answer_arrives", "RFC 9112 7.1", coding("chunked")).passes().bodies(&["hello"]),
        asked("an_empty_answer_arrives", "RFC 9112 6.2", ok("", "")).passes().bodies(&[""]),
        asked("a_status_without_reason_is_a_status", "RFC 9112 4", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
            .passes(),
        asked("a_status_nobody_knows_is_passed_on", "RFC 9110 15", "HTTP/1.1 299 Hm\r\nContent-Length: 0\r\n\r\n")
            .answers(&[299]).kept(),
        bad("an_answer_of_two_unequal_lengths_is_none", "RFC 9112 6.3", length("5\r\nContent-Length: 6")),
        odd("an_answer_of_two_equal_lengths_has_one_at_most", "RFC 9112 6.3", length("5\r\nContent-Length: 5")),
        odd("an_answer_of_a_list_of_equal_lengths_has_one_at_most", "RFC 9112 6.3", length("5, 5")),
        bad("an_answer_of_a_list_of_unequal_lengths_is_none", "RFC 9112 6.3", length("5, 6")),
        bad("an_answer_of_an_empty_length_is_none", "RFC 9110 8.6", length("")),
        bad("an_answer_of_a_length_with_a_plus_is_none", "RFC 9110 8.6", length("+5")),
        bad("an_answer_of_a_negative_length_is_none", "RFC 9110 8.6", length("-1")),
        bad("an_answer_of_a_length_in_hexadecimal_is_none", "RFC 9110 8.6", length("0x5")),
        bad("an_answer_of_a_length_beyond_all_is_none", "RFC 9110 8.6", length("18446744073709551621")),
        bad("an_answer_of_a_length_with_a_letter_is_none", "RFC 9110 8.6", length("5a")),
        odd("an_answer_with_both_lengths_has_one_at_most", "RFC 9112 6.3",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        odd("an_answer_with_chunked_before_a_length_has_one_at_most", "RFC 9112 6.3",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        bad("an_answer_chunked_twice_is_none", "RFC 9112 6.1", coding("chunked, chunked")),
        bad("an_answer_of_an_unknown_coding_is_none", "RFC 9112 6.1", coding("xchunked")),
        bad("an_answer_of_gzip_that_nobody_undoes_is_none", "RFC 9112 6.1", coding("gzip, chunked")),
        bad("an_answer_chunked_before_identity_is_none", "RFC 9112 6.3", coding("chunked, identity")),
        bad("an_answer_of_chunked_behind_a_vertical_tab_is_none", "RFC 9110 5.5", coding("\x0bchunked")),
        bad("a_status_of_two_digits_is_none", "RFC 9112 4", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("a_status_of_four_digits_is_none", "RFC 9112 4", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("a_status_of_letters_is_none", "RFC 9112 4", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
        bad("a_status_below_100_is_none", "RFC 9110 15", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("two_spaces_before_a_status_are_none", "RFC 9112 4", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("an_answer_of_another_protocol_is_none", "RFC 9112 4", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("an_answer_of_http_2_is_none", "RFC 9112 4", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("an_answer_without_status_line_is_none", "RFC 9112 4", "<html>hello</html>\r\n\r\n"),
        odd("nul_in_a_reason_is_never_forwarded", "RFC 9112 4", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
        odd("a_bare_cr_in_a_reason_is_never_forwarded", "RFC 9112 4",
            "HTTP/1.1 200 OK\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n").field("x-evil", &[]),
        odd("a_folded_line_of_an_answer_is_never_forwarded", "RFC 9112 5.2", ok("X-A: 1\r\n 2\r\n", "ok")),
        odd("a_space_before_a_colon_of_an_answer_is_never_forwarded", "RFC 9112 5.1", ok("X-A : 1\r\n", "ok")),
        odd("bare_lfs_of_an_answer_are_never_forwarded", "RFC 9112 2.2",
                "HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nok"),
        bad("nul_in_a_value_of_an_answer_is_none", "RFC 9110 5.5", ok("X-A: 1\x002\r\n", "ok")),
        bad("a_bare_cr_in_a_value_of_an_answer_is_none", "RFC 9110 5.5", ok("X-A: 1\rX-B: 2\r\n", "ok")),
        bad("an_escape_in_a_value_of_an_answer_is_none", "RFC 9110 5.5", ok("X-A: \x1b[31m\r\n", "ok")),
        bad("an_empty_name_in_an_answer_is_none", "RFC 9110 5.1", ok(": 1\r\n", "ok")),
        bad("a_name_with_a_space_in_an_answer_is_none", "RFC 9110 5.1", ok("X A: 1\r\n", "ok")),
        bad("a_line_without_colon_in_an_answer_is_none", "RFC 9112 5", ok("X-A\r\n", "ok")),
        asked("bytes_beyond_ascii_in_an_answer_arrive_as_they_came", "RFC 9110 5.5", ok("X-A: \u{e4}\r\n", "ok"))
            .passes()
            .field("x-a", &["\u{e4}"]),
        asked("set_cookie_lines_stay_apart_and_in_order", "RFC 6265 3",
                ok("Set-Cookie: a=1, x\r\nX-B: 2\r\nSet-Cookie: c=3\r\n", "ok"))
            .passes().field("set-cookie", &["a=1, x", "c=3"]),
        asked("a_head_of_16_kib_of_an_answer_arrives", "ours", ok(&format!("X-A: {}\r\n", "a".repeat(16 << 10)), "ok"))
            .passes().ours(),
        bad("a_head_of_an_answer_without_end_is_none", "RFC 9110 15.6.3",
                ok(&format!("X-A: {}\r\n", "a".repeat(1 << 20)), "ok")),
        bad("fields_of_an_answer_without_end_are_none", "RFC 9110 15.6.3", ok(&many(20_000), "ok")),
        asked("interim_answers_do_not_take_the_place_of_the_final_one", "RFC 9110 15.2",
            [&b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"[..],
                &ok("", "ok")].concat()).passes().bodies(&["ok"]),
        asked("a_100_nobody_asked_for_does_not_take_the_place_of_the_final_one", "RFC 9110 15.2.1",
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &ok("", "ok")].concat()).passes().bodies(&["ok"]),
        case("http_1_0_clients_get_no_interim_answers", "RFC 9110 15.2")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
            .answer([&b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"[..], &ok("", "ok")].concat())
            .answers(&[200]).interim(&[]).bodies(&["ok"]),
        bad("a_protocol_nobody_asked_for_is_not_switched_to", "RFC 9110 7.8",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        asked("the_date_of_an_answer_is_passed_on", "RFC 9110 6.6.1",
                ok("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "ok"))
            .passes()
            .field("date", &["Sun, 06 Nov 1994 08:49:37 GMT"]),
        asked("an_answer_without_date_gets_one", "RFC 9110 6.6.1", ok("", "ok")).passes()
            .check(|outcome| match outcome.responses.iter().all(|r| r.values("date").len() == 1) {
                true => Ok(()),
                false => Err("the answer has no Date".to_owned()),
            }),
        asked("the_server_of_an_answer_is_passed_on", "RFC 9110 10.2.4", ok("Server: app/1\r\n", "ok")).passes()
            .field("server", &["app/1"]).except(&[crate::Peer::Nginx]),
        asked("an_answer_of_http_1_0_is_passed_on_as_http_1_1", "RFC 9110 2.5",
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .passes()
            .check(|outcome| match outcome.responses.iter().all(|r| r.start.starts_with("HTTP/1.1 ")) {
                true => Ok(()),
                false => Err("the answer is not one of HTTP/1.1".to_owned()),
            }),
        asked("trailers_of_an_answer_do_no_harm", "RFC 9110 6.5.1",
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n").passes().bodies(&["hello"]),
        asked("extensions_of_an_answers_chunks_are_not_forwarded", "RFC 9112 7.1.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0;ext\r\n\r\n").passes().bodies(&["hello"]).client_lacks("ext"),
    ]
}
