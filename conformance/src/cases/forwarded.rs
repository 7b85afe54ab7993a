//! What the proxy says of itself and of the client, and what it passes on.

use crate::case::{Case, case, get};

fn asked(method: &str, fields: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")
}

/// `via` as one list.
fn via(case: Case, expected: &'static str) -> Case {
    case.check(move |outcome| {
        let got = outcome.requests.first().map(|r| r.values("via").join(&b", "[..])).unwrap_or_default();
        match got == expected.as_bytes() {
            true => Ok(()),
            false => Err(format!("the target got Via `{}`, not `{expected}`", got.escape_ascii())),
        }
    })
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("the_clients_address_is_told", "RFC 7239 5.2").send(get("")).passes()
            .target_field("x-forwarded-for", &["127.0.0.1"]),
        case("an_address_from_a_client_is_not_believed", "RFC 7239 8.1").send(get("X-Forwarded-For: 6.6.6.6\r\n"))
            .passes()
            .target_field("x-forwarded-for", &["127.0.0.1"]),
        case("addresses_from_a_client_in_lines_are_not_believed", "RFC 7239 8.1")
            .send(get("X-Forwarded-For: 6.6.6.6\r\nX-A: 1\r\nx-forwarded-for: 7.7.7.7, 8.8.8.8\r\n")).passes()
            .target_field("x-forwarded-for", &["127.0.0.1"]),
        case("a_scheme_from_a_client_is_not_believed", "RFC 7239 8.1")
            .send(get("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n")).passes()
            .target_field("x-forwarded-proto", &["http"]),
        case("a_host_from_a_client_is_not_believed", "RFC 7239 8.1").send(get("X-Forwarded-Host: evil.test\r\n"))
            .passes()
            .target_field("x-forwarded-host", &["app.test"]),
        case("forwarded_from_a_client_is_not_believed", "RFC 7239 8.1")
            .send(get("Forwarded: for=6.6.6.6;proto=https;host=evil.test\r\n")).passes()
            .target_lacks("6.6.6.6").target_lacks("evil.test"),
        case("a_prefix_from_a_client_is_not_believed", "ours").send(get("X-Forwarded-Prefix: /evil\r\n")).passes()
            .target_field("x-forwarded-prefix", &[]).ours(),
        case("the_forwarded_host_is_that_of_absolute_form", "RFC 9112 3.2.2")
            .send("GET http://app.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n").passes()
            .target_field("x-forwarded-host", &["app.test"]),
        via(case("the_proxy_names_itself_to_the_target", "RFC 9110 7.6.3").send(get("")).passes(), "1.1 shunt").ours(),
        via(case("the_proxy_names_itself_after_others", "RFC 9110 7.6.3").send(get("Via: 1.0 a\r\nVia: 1.1 b (c)\r\n")).passes(),
            "1.0 a, 1.1 b (c), 1.1 shunt").ours(),
        via(case("the_proxy_says_how_it_was_asked", "RFC 9110 7.6.3").send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n").answers(&[200]),
            "1.0 shunt").ours(),
        case("a_request_without_an_id_gets_one", "ours").send(get("")).passes()
            .target_field_is("x-request-id", "an id", |id| !id.is_empty()).ours(),
        case("a_sane_request_id_is_passed_on", "ours").send(get("X-Request-Id: abc-1\r\n")).passes()
            .target_field("x-request-id", &["abc-1"]).ours(),
        case("a_request_id_with_a_space_is_replaced", "ours").send(get("X-Request-Id: a b\r\n")).passes()
            .target_field_is("x-request-id", "another id", |id| !id.contains(' ')).ours(),
        case("a_request_id_without_end_is_replaced", "ours")
            .send(get(format!("X-Request-Id: {}\r\n", "a".repeat(1000)))).passes()
            .target_field_is("x-request-id", "another id", |id| id.len() < 1000).ours(),
        case("two_request_ids_become_one", "ours").send(get("X-Request-Id: a\r\nX-Request-Id: b\r\n")).passes()
            .target_field_is("x-request-id", "one id", |_| true).ours(),
        case("the_context_of_a_trace_is_passed_on", "W3C Trace Context 3.2")
            .send(get("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1\r\nbaggage: k=v\r\n"))
            .passes()
            .target_field("traceparent", &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
            .target_field("tracestate", &["a=1"]).target_field("baggage", &["k=v"]),
        case("no_user_agent_is_made_up", "RFC 9110 10.1.5").send(get("")).passes().target_field("user-agent", &[]),
        case("accept_encoding_is_passed_on", "RFC 9110 12.5.3").send(get("Accept-Encoding: br, gzip;q=0.5\r\n"))
            .passes()
            .target_field("accept-encoding", &["br, gzip;q=0.5"]),
        case("conditions_and_ranges_are_passed_on", "RFC 9110 13.1")
            .send(get("If-None-Match: \"a\", W/\"b\"\r\nRange: bytes=0-1\r\n")).passes()
            .target_field("if-none-match", &["\"a\", W/\"b\""]).target_field("range", &["bytes=0-1"]),
        case("a_trace_that_may_go_no_further_is_not_forwarded", "RFC 9110 7.6.2")
            .send(asked("TRACE", "Max-Forwards: 0\r\n"))
            .rejected(&[200, 405, 501]).kept().ours(),
        case("options_that_may_go_no_further_are_not_forwarded", "RFC 9110 7.6.2")
            .send(asked("OPTIONS", "Max-Forwards: 0\r\n"))
            .rejected(&[200, 204]).kept().ours(),
        case("asterisk_form_that_may_go_no_further_is_not_forwarded", "RFC 9110 7.6.2")
            .send("OPTIONS * HTTP/1.1\r\nHost: app.test\r\nMax-Forwards: 0\r\n\r\n").rejected(&[200, 204]).kept()
            .ours(),
        case("options_lose_one_forward", "RFC 9110 7.6.2").send(asked("OPTIONS", "Max-Forwards: 5\r\n")).passes()
            .target_field("max-forwards", &["4"]).ours(),
        case("options_have_a_last_forward", "RFC 9110 7.6.2").send(asked("OPTIONS", "Max-Forwards: 1\r\n")).passes()
            .target_field("max-forwards", &["0"]).ours(),
        case("max_forwards_of_get_is_left_alone", "RFC 9110 7.6.2").send(get("Max-Forwards: 0\r\n")).passes()
            .target_field("max-forwards", &["0"]),
        case("max_forwards_that_is_no_number_stops_nothing", "RFC 9110 7.6.2")
            .send(asked("OPTIONS", "Max-Forwards: many\r\n")).status(&[200, 400]),
        case("a_body_of_options_that_go_no_further_is_not_a_request", "RFC 9110 7.6.2")
            .send(asked("OPTIONS", "Max-Forwards: 0\r\nContent-Length: 42\r\n") + "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n")
            .rejected(&[200, 204]).target_lacks("smuggled").ours(),
        case("location_is_passed_on", "RFC 9110 10.2.2").send(get(""))
            .answer("HTTP/1.1 302 Found\r\nLocation: http://app.test/b\r\nContent-Length: 0\r\n\r\n")
            .answers(&[302]).field("location", &["http://app.test/b"]).kept(),
        case("a_challenge_is_passed_on", "RFC 9110 11.6.1").send(get(""))
            .answer("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")
            .answers(&[401]).field("www-authenticate", &["Basic realm=\"a\"", "Bearer"]).kept(),
    ]
}
