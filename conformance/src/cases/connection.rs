//! What speaks of one connection only, and how long connections last.

use crate::case::{Case, case, get, ok, post};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_nominated_field_is_removed", "RFC 9110 7.6.1")
            .send(get("Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n")).passes()
            .target_field("x-a", &[]).target_field("x-b", &["2"]),
        case("all_lines_of_a_nominated_field_are_removed", "RFC 9110 7.6.1")
            .send(get("X-A: 1\r\nConnection: x-a\r\nX-A: 2\r\n")).passes().target_field("x-a", &[]),
        case("nominations_have_no_case", "RFC 9110 7.6.1")
            .send(get("Connection: X-FOO\r\nx-Foo: 1\r\n")).passes().target_field("x-foo", &[]),
        case("nominations_in_several_lines_count", "RFC 9110 7.6.1")
            .send(get("Connection: keep-alive, x-a\r\nX-A: 1\r\nX-B: 2\r\nConnection: x-b\r\n")).passes()
            .target_field("x-a", &[]).target_field("x-b", &[]),
        case("nominations_may_have_gaps", "RFC 9110 5.6.1")
            .send(get("Connection: ,, x-a ,\t,x-b,\r\nX-A: 1\r\nX-B: 2\r\n")).passes()
            .target_field("x-a", &[]).target_field("x-b", &[]),
        case("nominations_beside_close_count", "RFC 9110 7.6.1")
            .send(get("Connection: close, x-a\r\nX-A: 1\r\n")).answers(&[200]).closed().target_field("x-a", &[]),
        case("a_nomination_of_what_is_not_there_does_nothing", "RFC 9110 7.6.1")
            .send(get("Connection: x-none\r\n")).passes(),
        case("host_cannot_be_nominated", "RFC 9110 7.6.1")
            .send(get("Connection: host\r\n")).passes().target_field("host", &["app.test"]),
        case("a_length_cannot_be_nominated", "RFC 9110 7.6.1")
            .send(post("Connection: content-length\r\nContent-Length: 5\r\n", "hello")).passes()
            .target_body("hello"),
        case("a_coding_cannot_be_nominated", "RFC 9110 7.6.1")
            .send(post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"))
            .passes().target_body("hello"),
        case("what_the_proxy_adds_cannot_be_nominated", "CVE-2022-31813")
            .send(get("Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host\r\n")).passes()
            .target_field("x-forwarded-for", &["127.0.0.1"]).target_field("x-forwarded-proto", &["http"])
            .target_field("x-forwarded-host", &["app.test"]),
        case("keep_alive_is_removed", "RFC 9112 C.2.2")
            .send(get("Keep-Alive: timeout=5\r\n")).passes().target_field("keep-alive", &[]),
        case("proxy_connection_is_removed", "RFC 9110 7.6.1")
            .send(get("Proxy-Connection: keep-alive\r\n")).passes().target_field("proxy-connection", &[]),
        case("te_of_a_coding_is_removed", "RFC 9110 10.1.4")
            .send(get("TE: gzip\r\nConnection: TE\r\n")).passes().target_lacks("gzip"),
        case("te_without_nomination_is_removed", "RFC 9110 10.1.4")
            .send(get("TE: gzip, trailers;q=0.5\r\n")).passes().target_lacks("gzip"),
        case("connection_is_removed", "RFC 9110 7.6.1")
            .send(get("Connection: keep-alive\r\n")).passes()
            .check(|outcome| match outcome.requests.iter().all(|r| r.values("connection").is_empty()) {
                true => Ok(()),
                false => Err("the target got a Connection field".to_owned()),
            }),
        case("close_is_answered_with_close", "RFC 9112 9.6")
            .send(get("Connection: close\r\n")).answers(&[200]).closed().field("connection", &["close"]),
        case("close_has_no_case", "RFC 9110 7.6.1")
            .send(get("Connection: Foo, CLOSE\r\n")).answers(&[200]).closed(),
        case("http_1_1_connections_are_kept", "RFC 9112 9.3")
            .send(get("")).passes(),
        case("http_1_0_connections_are_closed", "RFC 9112 9.3")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n").answers(&[200]).closed(),
        case("http_1_0_connections_are_kept_on_request", "RFC 9112 9.3")
            .send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n").passes()
            .check(|outcome| match outcome.responses[..] {
                [ref only] if only.values("connection").iter().any(|v| v.eq_ignore_ascii_case(b"keep-alive")) => Ok(()),
                _ => Err("the answer does not say keep-alive".to_owned()),
            }),
        case("a_nominated_field_of_a_response_is_removed", "RFC 9110 7.6.1")
            .send(get("")).answer(ok("Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n", "ok")).passes()
            .field("x-a", &[]).field("x-b", &["2"]),
        case("nominations_of_a_response_in_several_lines_count", "RFC 9110 7.6.1")
            .send(get("")).answer(ok("Connection: x-a\r\nX-A: 1\r\nConnection: X-B\r\nX-B: 2\r\n", "ok")).passes()
            .field("x-a", &[]).field("x-b", &[]),
        case("a_length_of_a_response_cannot_be_nominated", "RFC 9110 7.6.1")
            .send(get("")).answer(ok("Connection: content-length\r\n", "ok")).passes().bodies(&["ok"]),
        case("keep_alive_of_a_response_is_removed", "RFC 9112 C.2.2")
            .send(get("")).answer(ok("Keep-Alive: timeout=7\r\n", "ok")).passes().client_lacks("timeout=7"),
        case("proxy_connection_of_a_response_is_removed", "RFC 9110 7.6.1")
            .send(get("")).answer(ok("Proxy-Connection: close\r\n", "ok")).passes().field("proxy-connection", &[]),
        case("the_targets_close_is_not_the_clients", "RFC 9110 7.6.1")
            .send(get("")).last_answer(ok("Connection: close\r\n", "ok")).passes().bodies(&["ok"]),
        case("a_target_that_does_not_keep_its_word_is_not_asked_again", "RFC 9112 9.3")
            .send(get("")).last_answer(ok("", "one")).client_sees("one").played(1)
            .send(get("")).answer(ok("", "two")).answers(&[200, 200]).bodies(&["one", "two"]).kept(),
        case("a_target_of_http_1_0_is_not_asked_twice_on_one_connection", "RFC 9112 9.3")
            .send(get("")).answer("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\none").client_sees("one")
            .send(get("")).answer(ok("", "two")).answers(&[200, 200]).bodies(&["one", "two"])
            .check(|outcome| match outcome.record.target.iter().filter(|t| t.got.starts_with(b"GET / ")).count() {
                1 => Err("both requests came on one connection".to_owned()),
                _ => Ok(()),
            }),
    ]
}
