//! `Expect: 100-continue`, from end to end.

use crate::case::Play::{Sees, Send, Whole};
use crate::case::{Case, case, get, ok, post};
use crate::peer::Peer::Nginx;

const HEAD: &str = "Expect: 100-continue\r\nContent-Length: 5\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("the_targets_100_is_passed_on_and_the_body_follows", "RFC 9110 10.1.1").send(post(HEAD, ""))
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "ok"))]).client_sees("100 Continue").send("hello")
            .passes().interim(&[100]).target_body("hello"),
        case("an_expectation_is_passed_on", "RFC 9110 10.1.1").send(post(HEAD, ""))
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "ok"))]).client_sees("100 Continue").send("hello")
            .passes().target_field("expect", &["100-continue"]).except(&[Nginx]),
        case("no_100_comes_before_the_targets", "RFC 9110 10.1.1").send(post(HEAD, "")).target_sees("\r\n\r\n")
            .plays([Send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno".into())])
            .client_sees("no").send("hello").status(&[401]).interim(&[]).except(&[Nginx]),
        case("a_final_answer_instead_of_100_is_passed_on", "RFC 9110 10.1.1").send(post(HEAD, ""))
            .plays([Send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()),
                crate::case::Play::Close])
            .status(&[417]).closed().except(&[Nginx]),
        case("an_expectation_of_a_chunked_body_is_met", "RFC 9110 10.1.1")
            .send(post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", ""))
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "ok"))]).client_sees("100 Continue")
            .send("5\r\nhello\r\n0\r\n\r\n")
            .passes().interim(&[100]).target_body("hello"),
        case("a_client_that_does_not_wait_is_served", "RFC 9110 10.1.1").send(post(HEAD, "hello"))
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "ok"))]).passes().target_body("hello"),
        case("a_client_that_does_not_wait_needs_no_100", "RFC 9110 10.1.1").send(post(HEAD, "hello")).passes()
            .target_body("hello"),
        case("the_body_is_not_asked_for_twice", "RFC 9110 15.2.1").send(post(HEAD, ""))
            .plays([Send(CONTINUE.into()), Sees("hello".into()), Whole, Send(CONTINUE.into()), Send(ok("", "ok"))])
            .client_sees("100 Continue").send("hello").passes().bodies(&["ok"]),
        case("an_expectation_has_no_case", "RFC 9110 10.1.1")
            .send(post("Expect: 100-Continue\r\nContent-Length: 5\r\n", ""))
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "ok"))]).client_sees("100 Continue").send("hello")
            .passes().interim(&[100]),
        case("http_1_0_gets_no_100", "RFC 9110 10.1.1")
            .send(format!("POST / HTTP/1.0\r\nHost: app.test\r\n{HEAD}\r\nhello"))
            .plays([Whole, Send(CONTINUE.into()), Send(ok("", "ok"))]).answers(&[200]).interim(&[])
            .target_body("hello"),
        case("an_expectation_without_a_body_is_no_reason_to_wait", "RFC 9110 10.1.1")
            .send(get("Expect: 100-continue\r\n")).passes(),
        case("an_expectation_nobody_knows_is_refused_or_left_to_the_target", "RFC 9110 10.1.1")
            .send(post("Expect: tea\r\nContent-Length: 5\r\n", "hello"))
            .status(&[200, 417]),
        case("a_pipelined_request_behind_an_expected_body_is_the_next", "RFC 9110 10.1.1")
            .send([post(HEAD, "hello"), get("")].concat())
            .plays([Send(CONTINUE.into()), Whole, Send(ok("", "one"))]).answer(ok("", "two")).answers(&[200, 200])
            .bodies(&["one", "two"]).kept(),
        case("a_body_that_is_refused_is_not_a_request", "RFC 9110 10.1.1")
            .send(post("Expect: 100-continue\r\nContent-Length: 42\r\n", "")).target_sees("\r\n\r\n")
            .plays([Send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n".into())]).client_sees("413")
            .send("GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n").requests(1).status(&[413])
            .check(|outcome| match outcome.requests.iter().any(|r| r.start.contains("/smuggled")) {
                true => Err("the body became a request".to_owned()),
                false => Ok(()),
            }).except(&[Nginx]),
    ]
}
