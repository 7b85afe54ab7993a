//! What became of deploys, flips and undos.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Compared, Previous, StepTime, Who};
use crate::strict::{self, Mistake};
use crate::{Active, Engine, Token};

/// Entries kept under `apps/<app>/history/`.
pub const HISTORY_KEPT: usize = 50;

/// Where new requests went: `active`, and the releases it named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// `active`.
    pub active: Active,
    /// The releases that got requests.
    pub releases: Vec<Previous>,
}

/// What became of a deploy, a flip or an undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done as asked.
    Done,
    /// Failed before the flip; traffic was never touched.
    Failed,
    /// Put back after the flip, or stopped by `undo` or a signal.
    Undone,
    /// Someone else put `active` or the slot meanwhile; their value stays.
    Superseded,
    /// Flipped, but not acknowledged, or not let go of, by every proxy in time.
    Unacknowledged,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Superseded => "superseded",
            Self::Unacknowledged => "unacknowledged",
        })
    }
}

/// The value of `apps/<app>/history/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// `deploy`, `flip`, `undo`, `promote`, `hold`, `release`, `maintenance` or `remove`.
    pub verb: String,
    /// Who ran it.
    pub who: Who,
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// Where new requests were to go, as `active` was to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The releases that `active` then named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serving: Vec<Previous>,
    /// What a flip or undo took the place of, to go back to; a deploy's is in its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Served>,
    /// What people call the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The engines' own name of that image, where no digest of a registry says which one it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// `active` as it was put when its workers did not come to run. As long as that stands, those of the
    /// release before it do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Token>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not done as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The release that was stopped before this one could start, since both have the same ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way: Option<Previous>,
    /// What copies of requests came to before the release got one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<Compared>,
    /// Engines that did not answer when its containers were to be removed: some may run there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Engine>,
    /// Its steps and their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTime>,
}

impl History {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }
}
