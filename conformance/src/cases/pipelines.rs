//! Several requests on one connection.

use crate::case::Play::{Send, Whole};
use crate::case::{Case, case, chunked, get, ok, post};

fn path(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n")
}

fn three() -> Vec<u8> {
    [path("/1"), path("/2"), path("/3")].concat().into_bytes()
}

fn answered(case: Case) -> Case {
    case.answer(ok("", "one")).answer(ok("", "two")).answer(ok("", "three"))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        answered(case("requests_in_one_segment_are_answered_in_order", "RFC 9112 9.3.2")).send(three())
            .answers(&[200, 200, 200]).bodies(&["one", "two", "three"]).kept(),
        answered(case("requests_that_come_byte_by_byte_are_answered_in_order", "RFC 9112 9.3.2")).bytewise(three())
            .answers(&[200, 200, 200]).bodies(&["one", "two", "three"]).kept(),
        answered(case("requests_one_after_the_other_are_answered_in_order", "RFC 9112 9.3"))
            .send(path("/1")).client_sees("one").send(path("/2")).client_sees("two").send(path("/3"))
            .answers(&[200, 200, 200]).bodies(&["one", "two", "three"]).kept(),
        answered(case("bodies_and_heads_in_one_segment_are_told_apart", "RFC 9112 9.3.2"))
            .send([post("Content-Length: 5\r\n", "hello"), chunked("3\r\nyou\r\n0\r\n\r\n"), get("")].concat())
            .answers(&[200, 200, 200]).bodies(&["one", "two", "three"]).kept()
            .check(|outcome| {
                let bodies: Vec<_> = outcome.requests.iter().map(|request| &request.body[..]).collect();
                match bodies[..] {
                    [b"hello", b"you", b""] => Ok(()),
                    _ => Err(format!("the target got {bodies:?}")),
                }
            }),
        case("a_hundred_requests_in_one_segment_are_answered", "RFC 9112 9.3.2").send(get("").repeat(100))
            .answers(&[200; 100]).kept(),
        case("nothing_behind_close_is_answered", "RFC 9112 9.6")
            .send([get("Connection: close\r\n"), get("")].concat()).answers(&[200]).closed(),
        case("nothing_behind_http_1_0_is_answered", "RFC 9112 9.3")
            .send([b"GET / HTTP/1.0\r\nHost: app.test\r\n\r\n", &get("")[..]].concat()).answers(&[200]).closed(),
        case("nothing_behind_a_malformed_request_is_answered", "RFC 9112 9.3.2")
            .send([get(""), get("X A: 1\r\n"), path("/smuggled").into()].concat()).answers(&[200, 400]).requests(1)
            .closed(),
        case("an_unknown_host_in_between_does_not_matter", "RFC 9112 9.3.2")
            .send([get(""), b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n".into(), get("")].concat())
            .answers(&[200, 404, 200]).requests(2).kept(),
        case("an_empty_line_between_requests_is_skipped", "RFC 9112 2.2")
            .send([post("Content-Length: 5\r\n", "hello\r\n"), get("")].concat()).answers(&[200, 200]).kept(),
        case("head_and_get_in_one_segment_are_told_apart", "RFC 9110 9.3.2")
            .send([&b"HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n"[..], &get("")].concat()).answering_head(&[0])
            .answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").answer(ok("", "two")).answers(&[200, 200])
            .bodies(&["", "two"]).kept(),
        case("an_answer_that_is_cut_is_the_last", "RFC 9112 9.3.2").send([get(""), get("")].concat())
            .last_answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").answer(ok("", "poison")).broken()
            .client_lacks("poison"),
        case("a_target_that_fails_one_request_is_asked_the_next", "RFC 9110 15.6.3").send([get(""), get("")].concat())
            .plays([Whole, crate::case::Play::Close]).answer(ok("", "two")).answers(&[502, 200]).kept(),
        case("hosts_may_differ_from_request_to_request", "RFC 9112 9.3")
            .send([get(""), b"GET / HTTP/1.1\r\nHost: APP.test:81\r\n\r\n".into()].concat()).answers(&[200, 200])
            .kept(),
        case("a_request_cut_in_two_is_one", "RFC 9112 2.2").send("GET / HTTP/1.1\r\nHost: app").send(".test\r\n")
            .send("X-A: 1\r\n\r").send("\n")
            .passes().target_field("x-a", &["1"]),
        case("an_answer_in_many_pieces_is_one", "RFC 9112 2.2").send(get(""))
            .plays([Whole].into_iter().chain(ok("X-A: 1\r\n",
                "hello").into_iter().map(|byte| Send(vec![byte]))).collect::<Vec<_>>())
            .passes().field("x-a", &["1"]).bodies(&["hello"]),
    ]
}
