//! A check that is a command.

use std::future::pending;

use shunt_config::command::Command;
use shunt_config::record::Check;

use super::{Answer, Watched};
use crate::hook::{Ending, Hook};
use crate::report::Hidden;

/// What a shell ends with when it cannot run what it is told to, and when it does not find it.
const NOT_RUN: [i32; 2] = [126, 127];

/// Runs it: bad is what ended by itself with a code of its own. What it wrote is told without what is
/// `hidden`.
pub(super) async fn run(
    check: &Check,
    command: &Command,
    watched: &Watched,
    hidden: &Hidden,
) -> Answer {
    let variables = watched.variables().and("SHUNT_CHECK", &check.name);
    let hook = Hook { name: "check", command, timeout: check.timeout, variables, turn: None };
    let stop = pending::<std::convert::Infallible>();
    let (ending, last) = match hook.end(hidden, |_| {}, stop).await {
        Ok(ended) => ended,
        Err(never) => match never {},
    };
    let last = last.last().map_or_else(String::new, |line| match hidden.lacks() {
        true => format!(" {line}"),
        false => format!(" (`{line}`)"),
    });
    let said = format!("{ending}{last}");
    match ending {
        Ending::Exit(status) if status.success() => Answer::Good(said),
        Ending::Exit(status) => match status.code() {
            Some(code) if !NOT_RUN.contains(&code) => Answer::Bad(said),
            _ => Answer::None(said),
        },
        Ending::NotRun(_) | Ending::TooLong(_) | Ending::Lost(_) => Answer::None(said),
    }
}
