//! Bodies that move while others do, and clients that leave.

use crate::case::Play::{ClientSees, Close, Sees, Send, Whole};
use crate::case::{Case, case, chunked, get, ok, post};
use crate::peer::Peer::Nginx;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const HALF: &str = "Content-Length: 10\r\n";

fn waits() -> Vec<crate::case::Play> {
    // For bytes that never come: until the client has gone.
    vec![Sees("never".into())]
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_head_is_sent_before_its_body", "RFC 9112 2").send(get(""))
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".into()),
                ClientSees("\r\n\r\n".into()), Send("hello".into())])
            .passes().bodies(&["hello"]),
        case("each_chunk_is_sent_at_once", "RFC 9112 7.1").send(get(""))
            .plays([Whole, Send(format!("{CHUNKED}3\r\none\r\n").into()), ClientSees("one".into()),
                Send(b"3\r\ntwo\r\n".into()), ClientSees("two".into()), Send(b"0\r\n\r\n".into())])
            .passes().bodies(&["onetwo"]),
        case("each_event_is_sent_at_once", "WHATWG HTML 9.2").send(get("Accept: text/event-stream\r\n"))
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n".into()),
                ClientSees("one\n\n".into()), Send("data: two\n\n".into()), Close])
            .answers(&[200]).bodies(&["data: one\n\ndata: two\n\n"]),
        case("a_request_is_sent_while_it_comes", "RFC 9112 2").send(post(HALF, "hello")).target_sees("hello")
            .send("again").passes().target_body("helloagain"),
        case("a_chunked_request_is_sent_while_it_comes", "RFC 9112 7.1").send(chunked("5\r\nhello\r\n"))
            .target_sees("hello")
            .send("5\r\nagain\r\n0\r\n\r\n").passes().target_body("helloagain"),
        case("an_answer_may_come_before_the_end_of_the_request", "RFC 9110 7.5").send(post(HALF, "hello"))
            .plays([Sees("hello".into()), Send(ok("", "early")), Whole]).client_sees("early").send("again")
            .status(&[200]).requests(1).bodies(&["early"]),
        case("both_bodies_move_at_once", "RFC 9110 7.5").send(chunked("5\r\nhello\r\n"))
            .plays([Sees("hello".into()), Send(format!("{CHUNKED}3\r\none\r\n").into()), Sees("again".into()),
                Send(b"3\r\ntwo\r\n".into()), Whole, Send(b"0\r\n\r\n".into())])
            .client_sees("one").send("5\r\nagain\r\n").client_sees("two").send("0\r\n\r\n").answers(&[200])
            .bodies(&["onetwo"]).target_body("helloagain"),
        case("an_error_before_the_end_of_the_request_is_passed_on", "RFC 9110 15.5.14").send(post(HALF, "hello"))
            .plays([Sees("hello".into()), Send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig".into()), Close])
            .client_sees("big").send("again").status(&[413]).bodies(&["big"]),
        case("the_rest_of_a_body_that_nobody_wants_is_not_a_request", "RFC 9112 9.3")
            .send(post("Content-Length: 47\r\n", "hello"))
            .plays([Sees("hello".into()), Send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig".into()), Close])
            .client_sees("big").send("GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n").requests(1).status(&[413])
            .check(|outcome| match outcome.requests.iter().any(|r| r.start.contains("/smuggled")) {
                true => Err("the body became a request".to_owned()),
                false => Ok(()),
            }),
        case("a_client_that_resets_before_the_answer_cancels", "RFC 9112 9.5").send(get("")).plays(waits())
            .target_sees("\r\n\r\n").reset().cancels(),
        case("a_client_that_ends_its_side_before_the_answer_cancels", "ours").send(get("")).plays(waits())
            .target_sees("\r\n\r\n").fin().silence().cancels(),
        case("a_client_that_resets_within_the_answer_cancels", "RFC 9112 9.5").send(get(""))
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".into())]).client_sees("hello")
            .reset().cancels(),
        case("a_client_that_ends_its_side_within_the_answer_cancels", "ours").send(get(""))
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".into())]).client_sees("hello")
            .fin().broken().cancels().except(&[Nginx]),
        case("a_client_that_resets_within_its_body_cancels", "RFC 9112 8").send(post(HALF, "hello"))
            .target_sees("hello").reset().cancels()
            .check(whole),
        case("a_client_that_ends_its_side_within_its_body_cancels", "RFC 9112 8").send(post(HALF, "hello"))
            .target_sees("hello").fin().cancels()
            .check(whole),
        case("a_client_that_ends_its_side_within_a_chunk_cancels", "RFC 9112 8").send(chunked("a\r\nhello"))
            .target_sees("hello").fin().cancels()
            .check(whole),
        case("a_client_that_ends_its_side_between_chunks_cancels", "RFC 9112 8").send(chunked("5\r\nhello\r\n"))
            .target_sees("hello").fin().cancels()
            .check(whole),
        case("a_client_that_ends_its_side_before_the_last_line_cancels", "RFC 9112 8")
            .send(chunked("5\r\nhello\r\n0\r\n")).target_sees("hello").fin().cancels()
            .check(whole),
        case("a_client_that_ends_its_side_within_a_head_is_not_answered", "RFC 9112 8")
            .send("GET / HTTP/1.1\r\nHost: app.test\r\n").fin().requests_at_most(0)
            .check(|outcome| match outcome.responses.iter().any(|r| r.status < 400) {
                true => Err("half a head was answered".to_owned()),
                false => Ok(()),
            }),
        case("an_upload_of_a_mebibyte_arrives", "RFC 9112 6.2")
            .send(post("Content-Length: 1048576\r\n", vec![b'x'; 1 << 20])).passes().target_body(vec![b'x'; 1 << 20]),
    ]
}

/// A request that was not whole must not look so at the target.
fn whole(outcome: &crate::outcome::Outcome) -> Result<(), String> {
    match outcome.requests.iter().any(|request| request.complete) {
        true => Err("the target got a whole request".to_owned()),
        false => Ok(()),
    }
}
