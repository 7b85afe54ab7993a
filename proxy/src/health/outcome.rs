//! What one check found, in words for the operator.

use std::error::Error;
use std::io;

use http::StatusCode;

/// How much of a bad answer's body is shown.
const SHOWN_MAX: usize = 160;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered as it should; its answer.
    Passed(String),
    /// It did not; what it did instead.
    Failed(String),
    /// This machine could not even ask: no verdict on the target.
    Unasked(String),
}

impl Outcome {
    /// That of a target which was not reached.
    pub(super) fn of_connecting(error: &io::Error) -> Self {
        // ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL, ENOBUFS: errno(3).
        match error.raw_os_error() {
            Some(12 | 23 | 24 | 99 | 105) => Self::Unasked(sentence(error)),
            _ => Self::of_reading(error),
        }
    }

    /// That of a connection which broke off.
    pub(super) fn of_reading(error: &io::Error) -> Self {
        Self::Failed(sentence(error))
    }

    /// That of a request without an answer.
    pub(super) fn of_asking(error: &hyper::Error) -> Self {
        Self::Failed(match error {
            error if error.is_parse() => format!("no HTTP answer: {error}"),
            error if error.is_incomplete_message() || error.is_canceled() => {
                "connection closed before the answer".to_owned()
            }
            error => innermost(error),
        })
    }

    /// That of an answer with a status that is not wanted.
    pub(super) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        Self::Failed(format!("{status}{}", shown(body)))
    }
}

/// The first line of a text.
fn shown(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let plain = !line.starts_with('<') && !line.chars().any(char::is_control);
    match plain && !line.is_empty() {
        true => format!(": {}", line.chars().take(SHOWN_MAX).collect::<String>()),
        false => String::new(),
    }
}

/// `connection refused` instead of `Connection refused (os error 111)`. What is no error of the
/// system, such as a bad certificate, has words of its own.
fn sentence(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    let vague = kind == "uncategorized error" || error.get_ref().is_some();
    if vague { error.to_string() } else { kind }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.downcast_ref().map_or_else(|| innermost.to_string(), sentence)
}
