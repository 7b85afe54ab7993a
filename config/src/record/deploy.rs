//! How far a deploy has come, and what it takes to finish or undo it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Canary, Check, Compared, Finish, Hooks, Previous, Step, StepTime, Who};
use crate::deploy_file::Variable;
use crate::engine::Engine;
use crate::guard::Guard;
use crate::slot::Slot;
use crate::strict::{self, Mistake};
use crate::token::Token;
use crate::{Active, duration};

/// How far a deploy has come, in what matters to whoever has to finish or undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Containers may run; no other key was changed.
    Preparing,
    /// The release is in its slot; traffic is as it was.
    Announced,
    /// `active` was put for a part of the requests. Undoing restores all as it was.
    Canary,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The engines' own name of that image, where no digest of a registry says which one it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The engines its containers run on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Engine>,
    /// The variables of its containers whose values are not to be seen, by their names; `None` where that was
    /// not written down. Whoever takes it over does not know these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeSet<Variable>>,
    /// How long it waits for what.
    pub limits: Limits,
    /// What of the operator's own is run.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What undoes it by itself while it bakes; `None` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// What else is asked meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
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
    /// The release that was stopped before the new one could start, since both have the same ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way: Option<Previous>,
    /// What copies of requests came to before it got one itself, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<Compared>,
    /// The shares that the new release gets before it gets all, if the plan says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
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

/// How long a deploy waits for what, and how much is kept of releases that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// From the start of a container until it is healthy, and again until every proxy says so.
    #[serde(with = "duration")]
    pub health: Duration,
    /// From the flip until every live proxy acknowledges.
    #[serde(with = "duration")]
    pub flip: Duration,
    /// For how long the new release is watched after the flip; `None` for not at all.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
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
    /// For how long requests wait at most while no release serves; then they are refused.
    #[serde(with = "duration", default = "hold")]
    pub hold: Duration,
    /// How many retired releases keep their containers, stopped, on each host.
    #[serde(default, skip_serializing_if = "none")]
    pub keep: u16,
    /// How many of the app's images stay on each host, those in use not counted; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_images: Option<u16>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn none(kept: &u16) -> bool {
    *kept == 0
}

fn hold() -> Duration {
    Duration::from_mins(1)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            health: Duration::from_mins(1),
            // The proxies give a flip that they cannot prove 60 s before they refuse it; their
            // reason is worth waiting for.
            flip: Duration::from_secs(75),
            bake: None,
            drain: Duration::from_secs(30),
            warm: Duration::from_mins(10),
            lost: Duration::from_mins(15),
            stop: Duration::from_secs(10),
            hold: hold(),
            keep: 0,
            keep_images: None,
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

impl Deploy {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }

    /// Whether it is not over: it runs, or was left half done.
    pub fn unfinished(&self) -> bool {
        self.stage != Stage::Warm
    }

    /// The canary, while `active` is put for it.
    pub fn running_canary(&self) -> Option<&Canary> {
        self.canary.as_ref().filter(|_| self.stage == Stage::Canary)
    }

    /// Whether it holds requests while it stops one release and starts the other.
    pub fn holds(&self) -> bool {
        self.plan.contains(&Step::Hold)
    }

    /// Whether whoever takes it over may have values before them that are not to be seen, and not know them.
    pub fn has_secrets(&self) -> bool {
        self.secrets.as_ref().is_none_or(|names| !names.is_empty())
    }

    /// Whether `step` was begun.
    pub fn has_begun(&self, step: Step) -> bool {
        self.steps.iter().any(|time| time.step == step)
    }

    /// The steps of its plan that come after `step`.
    pub fn after(&self, step: Step) -> &[Step] {
        let place = self.plan.iter().position(|other| *other == step);
        place.and_then(|place| self.plan.get(place + 1..)).unwrap_or_default()
    }

    /// What is to be run when the release before it is gone for good. Once this deploy was undone,
    /// it is its own release that goes, and nothing is finished by that.
    pub fn finish(&self) -> Option<Finish> {
        let previous = self.previous.as_ref()?;
        let command = self.hooks.finish.clone().filter(|_| previous.slot != self.slot)?;
        Some(Finish {
            command,
            timeout: self.hooks.timeout,
            deploy: self.id.clone(),
            slot: self.slot,
            version: self.version.clone(),
            image: self.image.clone(),
        })
    }

    /// The last step that was begun.
    pub fn step(&self) -> Option<&StepTime> {
        self.steps.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineUrl;

    /// One of each kind.
    fn checks() -> Vec<Check> {
        let text = r#"[{"name":"a","ask":{"command":"true"},"interval":"10s","timeout":"1s",
            "failures":3,"on_no_answer":"fail"},{"name":"b","ask":{"query":{"query":"up{a=\"{app}\"}",
            "prometheus":"http://10.0.0.3:9090","token":{"variable":"TOKEN"},"max":0.01}},
            "interval":"10s","timeout":"1s","failures":1,"on_no_answer":"ignore"}]"#;
        strict::json(text).unwrap()
    }

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
            image_id: None,
            engines: vec![],
            secrets: None,
            limits: Limits::default(),
            hooks: Hooks::default(),
            guard: Some(Guard::default()),
            checks: checks(),
            plan: vec![Step::Pull, Step::Start, Step::Flip, Step::Retire],
            steps: vec![],
            stage: Stage::Warm,
            before: Before::default(),
            previous: None,
            replaced: None,
            gave_way: None,
            mirrored: None,
            canary: None,
            undo: None,
            warm_until: Some(Timestamp::UNIX_EPOCH),
            earlier: None,
        };
        let record = Deploy {
            slot: Slot::Green,
            stage: Stage::Announced,
            steps: vec![StepTime { step: Step::Pull, began: Timestamp::UNIX_EPOCH, ended: None }],
            engines: vec!["ssh://root@10.0.0.11".parse::<EngineUrl>().unwrap().into()],
            secrets: Some(["KEY".parse().unwrap()].into()),
            replaced: Some(Token::from("1-2-3")),
            undo: Some(who),
            earlier: Some(Box::new(earlier.clone())),
            ..earlier
        };
        let written = serde_json::to_vec(&record).unwrap();
        assert_eq!(Deploy::parse(&written).unwrap(), record);
        // Where nothing was written down of them, there may be some.
        let none = Deploy { secrets: Some(BTreeSet::new()), ..record.clone() };
        let unknown = Deploy { secrets: None, ..record.clone() };
        assert_eq!([&record, &unknown, &none].map(Deploy::has_secrets), [true, true, false]);
        assert_eq!(record.after(Step::Start), [Step::Flip, Step::Retire]);
        assert!(record.after(Step::Retire).is_empty() && record.after(Step::Drain).is_empty());
    }
}
