//! HTTP/2: what a request's head may say, and what an answer's says.

use crate::case::Play::{ClientSees, Close, Reset, Send, Whole};
use crate::case::{Case, case, get, ok};
use crate::h2::{
    CONTINUATION, END_HEADERS, END_STREAM, GET, HEADERS, POST, PROTOCOL_ERROR, block, data, frame, head,
    last_data, request, trailers,
};

const METHOD: (&str, &str) = GET[0];
const SCHEME: (&str, &str) = GET[1];
const HOST: (&str, &str) = GET[2];
const PATH: (&str, &str) = GET[3];

/// `name`: a request of these fields alone is malformed.
fn bad(name: &'static str, rule: &'static str, fields: &[(&str, &str)]) -> Case {
    case(name, rule).h2(request(1, fields)).malformed()
}

/// `name`: a GET with one more field is malformed.
fn more(name: &'static str, rule: &'static str, field: &str, value: &str) -> Case {
    case(name, rule).h2_get(&[(field, value)]).malformed()
}

/// `name`: a GET with these fields is answered.
fn fine(name: &'static str, rule: &'static str, fields: &[(&str, &str)]) -> Case {
    case(name, rule).h2_get(fields).answers(&[200]).kept()
}

fn path(path: &str) -> Vec<u8> {
    request(1, &[METHOD, SCHEME, HOST, (":path", path)])
}

pub(super) fn cases() -> Vec<Case> {
    heads().into_iter().chain(bodies_and_answers()).collect()
}

#[rustfmt::skip]
fn heads() -> Vec<Case> {
    vec![
        more("an_upper_case_name_is_malformed", "RFC 9113 8.2.1", "X-A", "1"),
        more("an_empty_name_is_malformed", "CVE-2019-9516", "", "1"),
        more("a_name_with_a_space_over_http_2_is_malformed", "RFC 9113 8.2.1", "x a", "1"),
        more("a_name_with_a_colon_is_malformed", "RFC 9113 8.2.1", "x:a", "1"),
        more("connection_over_http_2_is_malformed", "RFC 9113 8.2.2", "connection", "close"),
        more("keep_alive_over_http_2_is_malformed", "RFC 9113 8.2.2", "keep-alive", "timeout=5"),
        more("proxy_connection_over_http_2_is_malformed", "RFC 9113 8.2.2", "proxy-connection", "close"),
        more("transfer_encoding_over_http_2_is_malformed", "RFC 9113 8.2.2", "transfer-encoding", "chunked"),
        more("upgrade_over_http_2_is_malformed", "RFC 9113 8.2.2", "upgrade", "websocket"),
        more("te_other_than_trailers_is_malformed", "RFC 9113 8.2.2", "te", "gzip"),
        fine("te_of_trailers_is_fine", "RFC 9113 8.2.2", &[("te", "trailers")]),
        more("status_in_a_request_is_malformed", "RFC 9113 8.3", ":status", "200"),
        more("an_unknown_pseudo_header_is_malformed", "RFC 9113 8.3", ":foo", "1"),
        more("protocol_without_connect_is_malformed", "RFC 8441 4", ":protocol", "websocket"),
        bad("a_request_without_method_is_malformed", "RFC 9113 8.3.1", &[SCHEME, HOST, PATH]),
        bad("a_request_without_scheme_is_malformed", "RFC 9113 8.3.1", &[METHOD, HOST, PATH]),
        bad("a_request_without_path_is_malformed", "RFC 9113 8.3.1", &[METHOD, SCHEME, HOST]),
        bad("two_methods_are_malformed", "RFC 9113 8.3.1", &[METHOD, METHOD, SCHEME, HOST, PATH]),
        bad("two_schemes_are_malformed", "RFC 9113 8.3.1", &[METHOD, SCHEME, SCHEME, HOST, PATH]),
        bad("two_authorities_are_malformed", "RFC 9113 8.3.1", &[METHOD, SCHEME, HOST, HOST, PATH]),
        bad("two_paths_are_malformed", "RFC 9113 8.3.1", &[METHOD, SCHEME, HOST, PATH, PATH]),
        bad("a_pseudo_header_after_a_field_is_malformed", "RFC 9113 8.3", &[METHOD, SCHEME, HOST, ("x-a", "1"), PATH]),
        bad("an_empty_path_is_malformed", "RFC 9113 8.3.1", &[METHOD, SCHEME, HOST, (":path", "")]),
        bad("an_empty_method_is_malformed", "RFC 9113 8.3.1", &[(":method", ""), SCHEME, HOST, PATH]),
        bad("a_method_that_is_no_token_is_malformed", "RFC 9110 5.6.2", &[(":method", "GE T"), SCHEME, HOST, PATH]),
        bad("neither_authority_nor_host_is_refused", "RFC 9113 8.3.1", &[METHOD, SCHEME, PATH]),
        bad("connect_over_http_2_is_refused", "RFC 9113 8.5", &[(":method", "CONNECT"), HOST]),
        bad("connect_with_a_path_is_malformed", "RFC 9113 8.5", &[(":method", "CONNECT"), SCHEME, HOST, PATH]),
        case("a_path_without_slash_is_malformed", "RFC 9113 8.3.1").h2(path("a")).malformed(),
        case("a_path_with_a_space_is_malformed", "RFC 9113 8.3.1").h2(path("/a b")).malformed(),
        case("asterisk_for_get_is_malformed", "RFC 9113 8.3.1").h2(path("*")).malformed(),
        case("an_absolute_path_is_malformed", "RFC 9113 8.3.1").h2(path("http://evil.test/")).malformed(),
        case("asterisk_over_http_2_arrives", "RFC 9113 8.3.1")
            .h2(request(1, &[(":method", "OPTIONS"), SCHEME, HOST, (":path", "*")])).answers(&[200])
            .target_line("OPTIONS * HTTP/1.1"),
        case("a_fragment_over_http_2_is_not_forwarded", "RFC 9113 8.3.1").h2(path("/a#b")).requests_at_most(1)
            .target_lacks("#"),
        case("a_query_over_http_2_arrives", "RFC 9113 8.3.1").h2(path("/a?b=c&d")).answers(&[200]).kept()
            .target_line("GET /a?b=c&d HTTP/1.1"),
        bad("user_information_in_an_authority_is_malformed", "RFC 9113 8.3.1",
                &[METHOD, SCHEME, (":authority", "user@app.test"), PATH]),
        bad("a_path_in_an_authority_is_malformed", "RFC 9113 8.3.1",
                &[METHOD, SCHEME, (":authority", "app.test/a"), PATH]),
        bad("a_space_in_an_authority_is_malformed", "RFC 9113 8.3.1",
                &[METHOD, SCHEME, (":authority", "app.test evil.test"), PATH]),
        more("a_host_that_is_not_the_authority_is_refused", "RFC 9113 8.3.1", "host", "other.test"),
        fine("a_host_that_is_the_authority_is_one", "RFC 9113 8.3.1", &[("host", "app.test")])
            .target_field("host", &["app.test"]),
        case("a_host_alone_is_the_authority", "RFC 9113 8.3.1")
            .h2(request(1, &[METHOD, SCHEME, PATH, ("host", "app.test")])).answers(&[200]).kept()
            .target_field("host", &["app.test"]),
        bad("two_hosts_over_http_2_are_refused", "RFC 9110 7.2",
                &[METHOD, SCHEME, PATH, ("host", "app.test"), ("host", "app.test")]),
        fine("cookie_crumbs_become_one", "RFC 9113 8.2.3", &[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3")])
            .target_field("cookie", &["a=1; b=2; c=3"]),
        fine("fields_over_http_2_keep_their_order", "RFC 9110 5.3", &[("x-a", "1"), ("x-b", "9"), ("x-a", "2")])
            .target_field("x-a", &["1", "2"]),
        fine("an_address_from_a_client_over_http_2_is_not_believed", "RFC 7239 8.1",
                &[("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6")])
            .target_field("x-forwarded-for", &["127.0.0.1"]).target_lacks("6.6.6.6"),
        fine("the_proxy_says_that_it_was_asked_over_http_2", "RFC 9110 7.6.3", &[]).ours()
            .target_field_is("via", "2.0 shunt or 2 shunt", |via| via == "2.0 shunt" || via == "2 shunt"),
        fine("the_scheme_of_cleartext_is_http", "RFC 9113 8.3.1", &[]).target_field("x-forwarded-proto", &["http"]),
        case("a_head_over_64_kib_over_http_2_is_too_large", "RFC 6585 5").h2([
                frame(HEADERS, END_STREAM, 1, block(&GET)), frame(CONTINUATION, 0, 1,
                    block(&[("x-a", &"a".repeat(16_000))])).repeat(5), frame(CONTINUATION, END_HEADERS, 1, [])].concat())
            .malformed(),
        case("more_than_a_hundred_fields_over_http_2_are_too_many", "RFC 6585 5")
            .h2(request(1, &[&GET[..], &[("x-a", "1"); 200]].concat())).malformed().ours(),
    ]
}

#[rustfmt::skip]
fn bodies_and_answers() -> Vec<Case> {
    vec![
        case("a_length_over_http_2_that_is_kept_arrives", "RFC 9113 8.1.1")
            .h2([head(1, &[&POST[..], &[("content-length", "5")]].concat()), last_data(1, b"hello")].concat())
            .answers(&[200]).kept().target_body("hello").target_field("content-length", &["5"]),
        case("a_body_without_length_arrives_chunked", "RFC 9113 8.1.1")
            .h2([head(1, &POST), data(1, b"hel"), last_data(1, b"lo")].concat())
            .answers(&[200]).kept().target_body("hello").target_field("transfer-encoding", &["chunked"]),
        case("get_over_http_2_may_have_a_body", "RFC 9110 9.3.1").h2([head(1, &GET), last_data(1, b"hello")].concat())
            .answers(&[200]).kept().target_body("hello"),
        case("trailers_over_http_2_do_no_harm", "RFC 9113 8.1")
            .h2([head(1, &POST), data(1, b"hello"), trailers(1, &[("x-sum", "1")])].concat()).answers(&[200]).kept()
            .target_body("hello"),
        case("pseudo_headers_in_trailers_are_not_forwarded", "RFC 9113 8.1")
            .h2([head(1, &POST), data(1, b"hello"), trailers(1, &[(":path", "/b")])].concat()).requests_at_most(1)
            .target_lacks("/b"),
        case("trailers_that_end_nothing_are_malformed", "RFC 9113 8.1")
            .h2([head(1, &POST), data(1, b"hello"), head(1, &[("x-sum", "1")])].concat())
            .stream_error(&[PROTOCOL_ERROR]).unfinished(),
        case("trailers_that_frame_are_not_forwarded", "RFC 9110 6.5.1")
            .h2([head(1, &POST), data(1, b"hello"), trailers(1,
                &[("content-length", "9"), ("host", "evil.test"), ("x-forwarded-for", "6.6.6.6")])].concat())
            .requests_at_most(1).target_lacks("evil.test").target_lacks("6.6.6.6"),
        case("connection_fields_of_an_answer_stay_out_of_http_2", "RFC 9113 8.2.2").h2_get(&[])
            .answer(ok("Connection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n", "ok"))
            .answers(&[200]).kept().field("x-a", &[]),
        case("a_chunked_answer_arrives_over_http_2", "RFC 9113 8.1").h2_get(&[])
            .answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").answers(&[200])
            .kept().bodies(&["hello"]),
        case("trailers_of_an_answer_arrive_over_http_2", "RFC 9113 8.1").h2_get(&[("te", "trailers")])
            .answer("HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
            .answers(&[200]).kept().trailer("x-sum", &["1"]).except(&[crate::Peer::Nginx]),
        case("a_204_arrives_over_http_2", "RFC 9110 15.3.5").h2_get(&[]).answer("HTTP/1.1 204 No Content\r\n\r\n")
            .answers(&[204]).kept(),
        case("an_answer_to_head_over_http_2_has_no_body", "RFC 9110 9.3.2")
            .h2(request(1, &[(":method", "HEAD"), SCHEME, HOST, PATH]))
            .answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            .answers(&[200]).kept().field("content-length", &["100"]).bodies(&[""]),
        case("an_answer_over_http_2_gets_a_date", "RFC 9110 6.6.1").h2_get(&[]).answers(&[200])
            .check(|outcome| match outcome.responses.iter().all(|r| r.values("date").len() == 1) {
            true => Ok(()),
            false => Err("the answer has no Date".to_owned()),
        }),
        case("an_answer_that_is_short_is_reset_over_http_2", "RFC 9113 8.1.1").h2_get(&[])
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".into()),
                ClientSees("hello".into()), Close])
            .requests(1).cut(),
        case("a_chunked_answer_that_is_cut_is_reset_over_http_2", "RFC 9113 8.1").h2_get(&[])
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".into()),
                ClientSees("hello".into()), Close])
            .requests(1).cut(),
        case("an_answer_without_length_that_is_reset_is_reset_over_http_2", "RFC 9113 8.1").h2_get(&[])
            .plays([Whole, Send(b"HTTP/1.1 200 OK\r\n\r\nhello".into()), ClientSees("hello".into()), Reset])
            .requests(1).cut(),
        case("a_switch_of_protocols_is_none_over_http_2", "RFC 9113 8.6").h2_get(&[])
            .answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .status(&[502]).requests(1),
        case("http_1_is_still_spoken_beside_http_2", "RFC 9113 3.3").send(get("")).passes(),
    ]
}
