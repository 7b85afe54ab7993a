//! How the target's responses end: whole or cut, and with nothing that answers another request.

use crate::case::Play::{ClientSees, Close, Reset, Send, Whole};
use crate::case::{Case, case, get, ok};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// The target sends `answer` and closes; the client must notice that something is missing.
fn cut(name: &'static str, rule: &'static str, answer: impl AsRef<[u8]>) -> Case {
    case(name, rule).send(get("")).last_answer(answer).requests(1).broken()
}

/// The chunks of an answer are malformed; the client must notice.
fn garbled(name: &'static str, rule: &'static str, chunks: &str) -> Case {
    let answer = format!("{CHUNKED}5\r\nhello\r\n");
    // The client has the good part before the target sends the bad one, which is cut from it.
    case(name, rule).send(get("")).requests(1).broken().client_lacks("poison")
        .plays([Whole, Send(answer.into()), ClientSees("hello".into()), Send(chunks.into()), Close])
}

/// The answer to a first request has more bytes than it should; those answer no second one.
fn extra(name: &'static str, rule: &'static str, first: impl AsRef<[u8]>) -> Case {
    case(name, rule).send(get("")).plays([Whole, Send([first.as_ref(), POISON.as_bytes()].concat())])
        .played(1).client_sees("\r\n\r\n").send(get("")).answer(ok("", "second"))
        .client_lacks("poison")
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("an_answer_ended_by_the_close_arrives", "RFC 9112 6.3").send(get(""))
            .last_answer("HTTP/1.1 200 OK\r\n\r\nhello").answers(&[200]).bodies(&["hello"]),
        case("an_answer_of_http_1_0_ended_by_the_close_arrives", "RFC 9112 6.3").send(get(""))
            .last_answer("HTTP/1.0 200 OK\r\n\r\nhello").answers(&[200]).bodies(&["hello"]),
        case("a_chunked_answer_for_http_1_0_is_not_chunked", "RFC 9112 7.1")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
            .answer(format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n")).answers(&[200]).bodies(&["hello"])
            .field("transfer-encoding", &[]).closed(),
        cut("an_answer_shorter_than_its_length_is_cut", "RFC 9112 8",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
        cut("an_answer_with_nothing_of_its_length_is_cut", "RFC 9112 8",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        cut("an_answer_without_its_last_chunk_is_cut", "RFC 9112 8", format!("{CHUNKED}5\r\nhello\r\n")),
        cut("an_answer_cut_within_a_chunk_is_cut", "RFC 9112 8", format!("{CHUNKED}a\r\nhello")),
        cut("an_answer_cut_within_a_chunk_size_is_cut", "RFC 9112 8", format!("{CHUNKED}5\r\nhello\r\n5")),
        cut("an_answer_cut_within_its_last_chunk_is_cut", "RFC 9112 8", format!("{CHUNKED}5\r\nhello\r\n0\r\n")),
        cut("an_answer_cut_before_its_first_chunk_is_cut", "RFC 9112 8", CHUNKED),
        case("an_answer_of_a_length_that_is_reset_is_cut", "RFC 9112 8").send(get("")).requests(1).broken()
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".into()),
                ClientSees("hello".into()), Reset]),
        case("an_answer_without_length_that_is_reset_is_cut", "RFC 9112 8").send(get("")).requests(1).broken()
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\n\r\nhello".into()), ClientSees("hello".into()), Reset]),
        case("an_answer_of_a_length_for_http_1_0_that_is_short_is_cut", "RFC 9112 8")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
            .last_answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").requests(1).broken(),
        garbled("a_chunk_size_of_an_answer_that_is_no_number_cuts_it", "RFC 9112 7.1", "x\r\npoison\r\n0\r\n\r\n"),
        garbled("a_chunk_size_of_an_answer_with_a_sign_cuts_it", "RFC 9112 7.1", "+6\r\npoison\r\n0\r\n\r\n"),
        garbled("a_chunk_size_of_an_answer_that_would_wrap_cuts_it", "RFC 9112 7.1",
                "10000000000000006\r\npoison\r\n0\r\n\r\n"),
        garbled("a_chunk_size_of_an_answer_ended_by_a_bare_lf_cuts_it", "RFC 9112 2.2", "6\npoison\r\n0\r\n\r\n"),
        garbled("a_bare_lf_in_an_extension_of_an_answers_chunk_cuts_it", "RFC 9112 7.1.1",
                "6;a\nb\r\npoison\r\n0\r\n\r\n"),
        garbled("a_chunk_of_an_answer_without_size_cuts_it", "RFC 9112 7.1", "\r\npoison\r\n0\r\n\r\n"),
case("a_malformed_trailer_of_an_answer_is_not_forwarded", "RFC 9112 7.1.2").send(get("")).requests(1).client_lacks("poison").last_answer(format!("{CHUNKED}5\r\nhello\r\n0\r\npoison\r\n\r\n")),
        extra("bytes_behind_a_length_answer_no_request", "RFC 9112 6.3", ok("", "first")).answers(&[200, 200])
            .bodies(&["first", "second"]),
        extra("bytes_behind_the_last_chunk_answer_no_request", "RFC 9112 6.3",
                format!("{CHUNKED}5\r\nfirst\r\n0\r\n\r\n"))
            .answers(&[200, 200]).bodies(&["first", "second"]),
        extra("bytes_behind_a_204_answer_no_request", "RFC 9110 15.3.5", "HTTP/1.1 204 No Content\r\n\r\n")
            .answers(&[204, 200]).bodies(&["", "second"]),
        extra("bytes_behind_a_304_answer_no_request", "RFC 9110 15.4.5",
                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")
            .answers(&[304, 200]).bodies(&["", "second"]),
        case("an_answer_before_its_request_answers_none", "RFC 9112 6.3").send(get(""))
            .plays([Whole, Send(ok("", "first")), ClientSees("first".into()), Send(POISON.into())]).played(1)
            .send(get("")).answer(ok("", "second")).answers(&[200, 200]).bodies(&["first", "second"])
            .client_lacks("poison"),
        case("a_204_of_a_length_has_none", "RFC 9110 8.6").send(get(""))
            .answer("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").answers(&[204]).kept(),
        case("a_204_that_is_chunked_has_no_body", "RFC 9112 6.1").send(get(""))
            .answer("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
            .status(&[204, 502]).kept(),
        case("a_304_keeps_the_length_it_speaks_of", "RFC 9110 15.4.5").send(get(""))
            .answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"a\"\r\n\r\n")
            .answers(&[304]).bodies(&[""]).kept(),
        head("an_answer_to_head_has_a_length_and_no_body", "RFC 9110 9.3.2")
            .answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            .answers(&[200]).field("content-length", &["100"]).kept(),
        head("an_answer_to_head_may_be_called_chunked", "RFC 9112 6.1").answer(CHUNKED).answers(&[200]).kept(),
        head("an_answer_to_head_without_length_has_no_body", "RFC 9110 9.3.2").answer("HTTP/1.1 200 OK\r\n\r\n")
            .answers(&[200]).kept(),
        head("a_body_behind_an_answer_to_head_answers_no_request", "RFC 9110 9.3.2")
            .plays([Whole, Send(POISON.into())]).played(1).client_sees("\r\n\r\n")
            .send(get("")).answer(ok("", "second")).answers(&[200, 200]).client_lacks("poison").bodies(&["", "second"]),
        head("an_error_of_the_proxys_own_to_head_has_no_body", "RFC 9110 9.3.2").plays([Whole, Close]).status(&[502])
            .kept().requests(1),
        case("a_target_that_closes_without_an_answer_is_a_bad_gateway", "RFC 9110 15.6.3").send(get(""))
            .plays([Whole, Close]).status(&[502]).kept().requests(1),
        case("a_target_that_resets_without_an_answer_is_a_bad_gateway", "RFC 9110 15.6.3").send(get(""))
            .plays([Whole, Reset]).status(&[502]).kept().requests(1),
        case("a_target_that_closes_within_its_head_is_a_bad_gateway", "RFC 9110 15.6.3").send(get(""))
            .last_answer("HTTP/1.1 200 OK\r\nContent-Le").status(&[502]).requests(1),
        case("a_target_that_closes_within_its_status_is_a_bad_gateway", "RFC 9110 15.6.3").send(get(""))
            .last_answer("HTTP/1.1 2").status(&[502]).requests(1),
        case("a_target_that_closes_after_an_interim_answer_is_a_bad_gateway", "RFC 9110 15.6.3").send(get(""))
            .last_answer("HTTP/1.1 103 Early Hints\r\n\r\n").status(&[502]).requests(1),
        case("a_large_answer_arrives_whole", "RFC 9112 6.2").send(get(""))
            .answer(ok("", &"0123456789".repeat(100_000))).passes()
            .check(|outcome| match outcome.responses[..] {
                [ref only] if only.body == b"0123456789".repeat(100_000) => Ok(()),
                _ => Err("the body is another".to_owned()),
            }),
    ]
}

fn head(name: &'static str, rule: &'static str) -> Case {
    case(name, rule).send("HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n").answering_head(&[0])
}
