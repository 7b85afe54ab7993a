//! How a run ends: its exit code, and what went wrong.

use serde::Serialize;
use shunt_config::Mistake;
use shunt_config::store::StoreError;

use crate::engine::EngineError;

/// The exit codes; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// Done as asked.
    Ok = 0,
    /// The demo lost a request, or showed something that should not be.
    Failed = 1,
    /// A wrong flag, name or file, or nothing to do what was asked with. Nothing was changed.
    Usage = 2,
    /// The new release is not healthy. Traffic was never touched.
    Unhealthy = 3,
    /// Another run holds the app's lock. Nothing was changed.
    Locked = 4,
    /// What was asked is written, but not every proxy has acknowledged it, or let go of what is to
    /// be stopped, in time.
    Unacknowledged = 5,
    /// What was begun was taken back: refused by a proxy, worse than the old release, `undo`, or a signal.
    Undone = 6,
    /// The store or the engine was not reachable, or was lost on the way.
    Unreachable = 7,
    /// Someone else changed the same keys meanwhile; theirs stay.
    Superseded = 8,
    /// A hook of the operator's own failed before the flip. Traffic was never touched.
    Hook = 9,
    /// The flip stands, but the new release's workers do not run; the old ones do.
    Workers = 10,
}

impl Exit {
    /// The number a shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// What went wrong, in words for people, and the exit code for scripts.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, as one sentence.
    pub said: String,
    /// What is known beyond that: health answers, log lines, one per line.
    pub details: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure described by `said`.
    pub fn new(exit: Exit, said: impl Into<String>) -> Self {
        Self { exit, said: said.into(), details: Vec::new(), hint: None }
    }

    /// What was asked for cannot be done as asked.
    pub fn usage(said: impl Into<String>) -> Self {
        Self::new(Exit::Usage, said)
    }

    /// The same with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with more to know.
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// All mistakes of a file or value.
    pub fn mistakes(said: impl Into<String>, mistakes: &[Mistake]) -> Self {
        Self::usage(said).details(mistakes.iter().map(ToString::to_string))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let said = match error {
            StoreError::LeaseLost => "the lock was lost, so nothing more is changed".to_owned(),
            other => other.to_string(),
        };
        Self::new(Exit::Unreachable, said)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = match error {
            EngineError::NoImage { .. }
            | EngineError::Credentials { .. }
            | EngineError::Unusable { .. } => Exit::Usage,
            _ => Exit::Unreachable,
        };
        Self::new(exit, error.to_string())
    }
}
