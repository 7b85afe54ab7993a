//! What fuzzing begins with and what it has found holds in every test run, too.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

#[path = "../../fuzz/checks/answer.rs"]
mod answer;
#[path = "../../fuzz/checks/cookie.rs"]
mod cookie;
#[path = "../../fuzz/checks/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/checks/frames.rs"]
mod frames;
#[path = "../../fuzz/checks/pass.rs"]
mod pass;
#[path = "../../fuzz/checks/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/checks/websocket.rs"]
mod websocket;

use seeds::each;

#[test]
fn proxy_protocol_headers_hold_what_fuzzing_asks() {
    each("proxy_protocol", proxy_protocol::check);
}

#[test]
fn forwarded_addresses_hold_what_fuzzing_asks() {
    each("forwarded", forwarded::check);
}

#[test]
fn answers_of_targets_hold_what_fuzzing_asks() {
    seeds::each("answer", answer::check);
}

#[test]
fn websocket_frames_hold_what_fuzzing_asks() {
    each("websocket", websocket::check);
}

#[test]
fn cookies_hold_what_fuzzing_asks() {
    each("cookie", cookie::check);
}

#[test]
fn passes_hold_what_fuzzing_asks() {
    each("pass", pass::check);
}

#[test]
fn frames_of_http_2_hold_what_fuzzing_asks() {
    each("frames", frames::check);
}
