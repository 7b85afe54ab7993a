//! Commands of the operator's own that a deploy runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::{Command, several};
use crate::duration;

/// Commands of the operator's own, and when each is run. They are part of a deploy's record, so that
/// whoever finishes it can run the rest of them: nothing secret belongs into them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before the new release starts; if it fails, so does the deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Command>,
    /// One after the other before the flip; if one fails, so does the deploy.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "several")]
    pub verify: Vec<Command>,
    /// When every live proxy has acknowledged the flip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flipped: Option<Command>,
    /// When the deploy has failed, and what it began is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Command>,
    /// When the previous release is gone for good, and no `undo` goes back to it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Command>,
    /// How long each may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            migrate: None,
            verify: Vec::new(),
            flipped: None,
            failed: None,
            finish: None,
            timeout: Duration::from_mins(10),
        }
    }
}

impl Hooks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self { timeout: self.timeout, ..Self::default() }
    }
}

/// What a deploy leaves to whoever stops the release before it for good: the command, and the
/// variables it is run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// The command.
    pub command: Command,
    /// How long it may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// The deploy it belongs to.
    pub deploy: String,
    /// The slot that deploy went to.
    pub slot: crate::Slot,
    /// What people call its release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}
