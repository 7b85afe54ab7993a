//! What a case may expect, in words.

mod http2;
mod response;
mod target;

use crate::message::{Message, shown};
use crate::outcome::Outcome;

fn first(outcome: &Outcome) -> Result<&Message, String> {
    outcome.responses.first().ok_or_else(|| "the client got no response".to_owned())
}

fn asked(outcome: &Outcome) -> Result<&Message, String> {
    outcome.requests.first().ok_or_else(|| "the target got no request".to_owned())
}

fn unless(fine: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if fine { Ok(()) } else { Err(fault()) }
}

fn same(name: &str, got: &[&[u8]], expected: &[&str]) -> Result<(), String> {
    let expected: Vec<_> = expected.iter().map(|value| value.as_bytes()).collect();
    unless(got == expected, || format!("{name} is {}, not {}", shown(got), shown(&expected)))
}
