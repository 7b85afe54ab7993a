//! What `shuntctl` writes down: who deploys, how far a deploy has come, which replaced release is
//! not gone yet, and what became of finished deploys.
//!
//! Every value carries all that another `shuntctl`, on another machine and without the deploy file,
//! needs to finish or undo what this one began.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Target;
use crate::name::ProxyName;
use crate::release::Release;
use crate::slot::Slot;
use crate::strict::{self, Mistake};
use crate::token::Token;
use crate::{Active, duration};

/// Entries kept under `apps/<app>/history/`.
pub const HISTORY_KEPT: usize = 50;

/// Who runs a command, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// Login name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (pid {})", self.user, self.host, self.pid)
    }
}

/// The value of `apps/<app>/lock`; leased, so it goes with its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Who holds it.
    pub who: Who,
    /// Since when.
    pub since: Timestamp,
    /// The verb it is held for: `deploy`, `resume`, `retire`, `remove`.
    pub verb: String,
}

/// One step of a deploy. Each may be repeated: what is done already is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The image is on the engine, and known by its digest.
    Pull,
    /// The containers run.
    Start,
    /// They answer their health check, asked from here.
    Check,
    /// The release is in the standby slot.
    Announce,
    /// Every live proxy has proved all its targets.
    Prove,
    /// New requests go to it.
    Flip,
    /// Every live proxy says that it serves it.
    Acknowledge,
    /// No live proxy has a request on the previous release.
    Drain,
    /// The release that was in the slot before is stopped.
    Retire,
}

impl Step {
    /// All, in the order of a deploy.
    pub const ALL: [Self; 9] = [
        Self::Pull,
        Self::Start,
        Self::Check,
        Self::Announce,
        Self::Prove,
        Self::Flip,
        Self::Acknowledge,
        Self::Drain,
        Self::Retire,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Start => "start",
            Self::Check => "check",
            Self::Announce => "announce",
            Self::Prove => "prove",
            Self::Flip => "flip",
            Self::Acknowledge => "acknowledge",
            Self::Drain => "drain",
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

/// How far a deploy has come, in what matters to whoever has to finish or undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Containers may run; no other key was changed.
    Preparing,
    /// The release is in its slot; traffic is as it was.
    Announced,
    /// `active` was put. Until the proxies acknowledge, undoing still restores all as it was.
    Flipped,
    /// Acknowledged by every live proxy: the replaced release may be stopped from here on.
    Acknowledged,
    /// It failed or was undone, and is being taken back.
    Undoing,
    /// It is over; the previous release still runs, so that undo is one key write.
    Warm,
}

/// The value of `apps/<app>/deploy`: the running deploy, or the last one while its previous release
/// is kept warm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// Names the deploy and, as a label, its containers.
    pub id: String,
    /// Who runs it.
    pub who: Who,
    /// When it began.
    pub began: Timestamp,
    /// Where the new release goes.
    pub slot: Slot,
    /// What people call the new release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its image, by digest once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The engine its containers run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How long it waits for what.
    pub limits: Limits,
    /// What is to be done, in order.
    pub plan: Vec<Step>,
    /// What was begun and done of it.
    #[serde(default)]
    pub steps: Vec<StepTime>,
    /// How far it has come.
    pub stage: Stage,
    /// `active` and `app` as they were, to put them back.
    pub before: Before,
    /// The release that undo goes back to; `None` on an app's first deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// The announcement that was in the slot before, now under `draining/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Token>,
    /// Someone wants this running deploy undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Who>,
    /// Until when the previous release is kept warm; only in stage `warm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_until: Option<Timestamp>,
    /// The record this one took the place of, put back if this deploy is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<Deploy>>,
}

/// How long a deploy waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// From the start of a container until it is healthy, and again until every proxy says so.
    #[serde(with = "duration")]
    pub health: Duration,
    /// From the flip until every live proxy acknowledges.
    #[serde(with = "duration")]
    pub flip: Duration,
    /// Until requests on a release that is no longer active are over.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// For how long the previous release is kept running after the deploy.
    #[serde(with = "duration")]
    pub warm: Duration,
    /// For how long a lost proxy keeps a release from being stopped.
    #[serde(with = "duration")]
    pub lost: Duration,
    /// Between the signals TERM and KILL when a container is stopped.
    #[serde(with = "duration")]
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            health: Duration::from_mins(1),
            // The proxies give a flip that they cannot prove 60 s before they refuse it; their
            // reason is worth waiting for.
            flip: Duration::from_secs(75),
            drain: Duration::from_secs(30),
            warm: Duration::from_mins(10),
            lost: Duration::from_mins(15),
            stop: Duration::from_secs(10),
        }
    }
}

/// Values as they were before a deploy; `None` where there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// `active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// `app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

impl Before {
    /// `active` as it was, if it could be read.
    pub fn active(&self) -> Option<Active> {
        self.active.as_ref().and_then(|text| text.parse().ok())
    }
}

/// A release in its slot, to be known again: what undo goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// Its slot.
    pub slot: Slot,
    /// Its announcement.
    pub token: Token,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The deploy that started its containers, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
    /// Where it answers, if no deploy started it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

/// Where new requests went: `active`, and the releases it named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// `active`.
    pub active: Active,
    /// The releases that got requests.
    pub releases: Vec<Previous>,
}

impl Deploy {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }

    /// Whether it is not over: it runs, or was left half done.
    pub fn unfinished(&self) -> bool {
        self.stage != Stage::Warm
    }

    /// The last step that was begun.
    pub fn step(&self) -> Option<&StepTime> {
        self.steps.last()
    }
}

impl Lock {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }
}

/// The value of `apps/<app>/draining/<token>`: a release that is in no slot any more and still has
/// leases or containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draining {
    /// The slot it was in.
    pub slot: Slot,
    /// The slot's value, as it was written.
    pub value: String,
    /// When it left the slot.
    pub since: Timestamp,
    /// Known proxies without a sign of life, and since when they are missed: each keeps this
    /// release from being stopped until it is back, forgotten, or missed for long enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<ProxyName, Timestamp>,
}

impl Draining {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }

    /// The release, if its value can be read.
    pub fn release(&self) -> Option<Release> {
        Release::parse(self.value.as_bytes()).ok()
    }
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
    /// `deploy`, `flip`, `undo` or `remove`.
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
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not done as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let who = Who { user: "ann".into(), host: "ci-7".into(), pid: 42 };
        let earlier = Deploy {
            id: "20260101T000000-00000001".into(),
            who: who.clone(),
            began: Timestamp::UNIX_EPOCH,
            slot: Slot::Blue,
            version: Some("1.0".into()),
            image: None,
            engine: None,
            limits: Limits::default(),
            plan: Step::ALL.to_vec(),
            steps: vec![],
            stage: Stage::Warm,
            before: Before::default(),
            previous: None,
            replaced: None,
            undo: None,
            warm_until: Some(Timestamp::UNIX_EPOCH),
            earlier: None,
        };
        let record = Deploy {
            slot: Slot::Green,
            stage: Stage::Announced,
            steps: vec![StepTime { step: Step::Pull, began: Timestamp::UNIX_EPOCH, ended: None }],
            replaced: Some(Token::from("1-2-3")),
            undo: Some(who),
            earlier: Some(Box::new(earlier.clone())),
            ..earlier
        };
        let written = serde_json::to_vec(&record).unwrap();
        assert_eq!(Deploy::parse(&written).unwrap(), record);
    }

    #[test]
    fn an_unknown_key_in_a_record_is_refused() {
        let said = Lock::parse(br#"{"who":{"user":"a","host":"b","pid":1},"sinc":1}"#).unwrap_err();
        assert!(said.to_string().contains("did you mean `since`?"), "{said}");
    }
}
