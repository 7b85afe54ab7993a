//! What is said of a run that failed: its last words.

use std::time::Duration;

use serde_json::{Value, json};

use super::outlet::{flush_within, say};
use super::text::plain;
use super::word::{Urgency, Word};
use crate::exit::{Exit, Failure};

/// How long a run that was told to leave at once waits for its words to be taken.
const LEAVING: Duration = Duration::from_secs(2);

/// What is left to say, and the exit code, of a run that ends at once, wherever it is.
#[derive(Debug)]
pub struct LastWord {
    word: Word,
    exit: Exit,
}

impl LastWord {
    pub(super) fn new(word: Word, exit: Exit) -> Self {
        Self { word, exit }
    }

    /// Says it and ends the process: when it is written, or a moment later if nobody takes it.
    pub fn leave(self) -> ! {
        say(Word::Over, Urgency::Kept);
        say(self.word, Urgency::Kept);
        flush_within(LEAVING);
        std::process::exit(self.exit.code().into())
    }
}

/// The failure for scripts.
pub(super) fn end(failure: &Failure) -> Value {
    let Failure { exit, said, details, hint } = failure;
    json!({ "exit": exit.code(), "outcome": exit, "error": said, "details": details, "hint": hint })
}

/// The failure for people, beginning with `error`.
pub(super) fn text(error: &str, failure: &Failure) -> String {
    let mut text = format!("{error}: {}\n", plain(&failure.said));
    for line in &failure.details {
        text.extend(["  ", &plain(line), "\n"]);
    }
    if let Some(hint) = &failure.hint {
        text.extend(["\nhint: ", &plain(hint), "\n"]);
    }
    text
}
