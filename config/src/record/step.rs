//! What a deploy consists of.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One step of a deploy. Each may be repeated: what is done already is left as it is. What comes after
/// what is the plan's to say, and differs from one deploy to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The image is on the engine, and known by its digest.
    Pull,
    /// New requests wait in every known proxy.
    Hold,
    /// No known proxy has a request on the previous release.
    Empty,
    /// The previous release is stopped, to be started again if need be.
    Stop,
    /// The operator's own `migrate` was run.
    Migrate,
    /// The containers run.
    Start,
    /// They answer their health check, asked from here.
    Check,
    /// Each container was sent requests that nobody waits for.
    #[serde(rename = "warm-up")]
    WarmUp,
    /// The release is in the standby slot.
    Announce,
    /// Every live proxy has proved all its targets.
    Prove,
    /// The operator's own checks have passed.
    Verify,
    /// It gets copies of requests, and answers them no worse than the previous release.
    Mirror,
    /// A part of the new requests goes to it, and then more of them.
    Canary,
    /// New requests go to it.
    Flip,
    /// Every live proxy says that it serves it.
    Acknowledge,
    /// Requests that waited are let go.
    Release,
    /// Its figures are compared with those of the previous release.
    Bake,
    /// Its workers run, and those of the release before it do not.
    Workers,
    /// No live proxy has a request on the previous release.
    Drain,
    /// No visitor stays on the previous release.
    Sessions,
    /// The release that was in the slot before is stopped.
    Retire,
}

impl Step {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Hold => "hold",
            Self::Empty => "empty",
            Self::Stop => "stop",
            Self::Migrate => "migrate",
            Self::Start => "start",
            Self::Check => "check",
            Self::WarmUp => "warm-up",
            Self::Announce => "announce",
            Self::Prove => "prove",
            Self::Verify => "verify",
            Self::Mirror => "mirror",
            Self::Canary => "canary",
            Self::Flip => "flip",
            Self::Acknowledge => "acknowledge",
            Self::Release => "release",
            Self::Bake => "bake",
            Self::Workers => "workers",
            Self::Drain => "drain",
            Self::Sessions => "sessions",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a step was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// When it was begun.
    pub began: Timestamp,
    /// When it was done; `None` while it is being done, or where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}
