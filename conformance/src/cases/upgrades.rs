//! `Upgrade`: only what was asked for and accepted.

use crate::case::Play::{Close, Sees, Send, Whole};
use crate::case::{Case, case, get, ok};
use crate::peer::Peer::Haproxy;

const ASK: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A WebSocket that the target accepts.
fn accepted(name: &'static str, rule: &'static str) -> Case {
    case(name, rule).send(get(ASK)).requests(1).status(&[101])
}

/// An answer of 101 that nobody asked for in this form.
fn bad(name: &'static str, ask: &str, answer: &str) -> Case {
    case(name, "RFC 9110 7.8").send(get(ask)).plays([Whole, Send(answer.into()), Close]).requests(1).status(&[502])
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        accepted("an_upgrade_that_is_accepted_becomes_a_tunnel", "RFC 6455 4.2.2")
            .plays([Send(ACCEPT.into()), Sees("ping".into()), Send("pong".into()), Close]).client_sees("\r\n\r\n")
            .send("ping").client_sees("pong")
            .tunnelled("pong").target_has("ping").field("upgrade", &["websocket"])
            .field("sec-websocket-accept", &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        accepted("an_upgrade_is_asked_of_the_target", "RFC 9110 7.8").plays([Send(ACCEPT.into()), Close])
            .target_field("upgrade", &["websocket"]).target_field("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ=="])
            .check(|outcome| match outcome.requests.first().map(|r| r.values("connection").concat().to_ascii_lowercase()) {
                Some(value) if value == b"upgrade" => Ok(()),
                value => Err(format!("Connection at the target is {value:?}")),
            }),
        accepted("bytes_right_behind_a_101_arrive", "RFC 6455 4.2.2")
            .plays([Send([ACCEPT, b"first"].concat()), Close]).tunnelled("first"),
        accepted("what_looks_like_http_in_a_tunnel_is_not_read", "RFC 6455 4.2.2")
            .plays([Send(ACCEPT.into()), Sees("Host: other.test\r\n\r\n".into()),
                Send("HTTP/1.1 999 X\r\n\r\n".into()), Close])
            .client_sees("\r\n\r\n").send("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
            .tunnelled("HTTP/1.1 999 X\r\n\r\n"),
        accepted("all_bytes_pass_a_tunnel", "RFC 6455 5.2")
            .plays([Send(ACCEPT.into()), Sees("\0\x01\r\n\u{ff}end".into()), Send("\0\r\n\x7fend".into()), Close])
            .client_sees("\r\n\r\n").send("\0\x01\r\n\u{ff}end").tunnelled("\0\r\n\x7fend"),
        accepted("a_client_that_leaves_ends_its_tunnel", "RFC 6455 7.1.1").plays([Send(ACCEPT.into())])
            .client_sees("\r\n\r\n").send("bye").target_sees("bye").reset().cancels(),
        accepted("a_client_that_ends_its_side_ends_its_tunnel", "RFC 6455 7.1.1").plays([Send(ACCEPT.into())])
            .client_sees("\r\n\r\n").send("bye").target_sees("bye").fin().cancels(),
        case("names_of_protocols_have_no_case", "RFC 6455 4.2.1").send(get(ASK.replace("websocket", "WebSocket")))
            .requests(1).status(&[101])
            .plays([Send(ACCEPT.into()), Close]),
        case("an_upgrade_that_is_refused_is_answered", "RFC 9110 7.8").send(get(ASK))
            .answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .answers(&[403]).bodies(&["no"]).kept(),
        case("an_upgrade_that_is_ignored_is_answered", "RFC 9110 7.8").send(get(ASK)).answer(ok("", "plain")).passes()
            .bodies(&["plain"]),
        case("a_refused_upgrade_opens_no_tunnel", "RFC 9110 15.5.22").send(get(ASK.replace("13", "777")))
            .answer("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
            .client_sees("426")
            .send("GET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n").answers(&[426, 404]).requests(1).kept()
            .target_lacks("smuggled"),
        bad("a_switch_to_something_else_is_none", ASK, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n"),
        bad("a_switch_to_nothing_is_none", ASK, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"),
        bad("a_switch_to_h2c_is_none", ASK, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
        bad("a_switch_nobody_asked_for_is_none", "", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .requests(1),
        case("h2c_is_not_asked_of_the_target", "RFC 9113 3.1")
            .send(get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"))
            .passes().target_field("upgrade", &[]).target_field("http2-settings", &[]),
        case("h2c_without_nominations_is_not_asked_of_the_target", "RFC 9113 3.1")
            .send(get("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"))
            .passes().target_field("upgrade", &[]),
        case("h2c_in_a_list_is_not_asked_of_the_target", "RFC 9113 3.1")
            .send(get("Connection: Upgrade\r\nUpgrade: foo, H2C\r\n")).status(&[200])
            .target_lacks("h2c").target_lacks("H2C"),
        case("an_upgrade_that_connection_does_not_name_is_none", "RFC 9110 7.8").send(get("Upgrade: websocket\r\n"))
            .passes().target_field("upgrade", &[]),
        case("http_1_0_cannot_upgrade", "RFC 9110 7.8").send(format!("GET / HTTP/1.0\r\nHost: app.test\r\n{ASK}\r\n"))
            .answers(&[200]).target_field("upgrade", &[]),
        case("a_body_before_an_upgrade_arrives", "RFC 9110 7.8")
            .send(format!("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n{ASK}\r\nhello"))
            .answer(ok("", "plain")).passes().target_body("hello").except(&[Haproxy]),
    ]
}
