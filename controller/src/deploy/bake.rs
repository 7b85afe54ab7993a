//! The time after the flip in which the new release is watched.

use std::time::Duration;

use shunt_config::record::{Deploy, Step};
use shunt_config::{Active, Token};
use tokio::time::Instant;

use super::run::Run;
use super::trouble::Trouble;
use crate::ack::Ask;
use crate::app_keys::{AppKeys, Kept};
use crate::checks::{Checks, Watched};
use crate::expected::Expected;
use crate::fleet::Fleet;
use crate::judge::{Finding, Watch};
use crate::report::{Ended, Report};
use crate::sight::{Look, Waited};
use crate::stop::Stop;
use crate::time::{age, show};

/// Why a release is not watched to the end.
pub(super) enum Broken {
    /// It is bad.
    Found(Finding),
    /// Someone else put `active`.
    Superseded(String),
}

/// A release that this deploy watches.
pub(super) struct Vigil {
    watch: Watch,
    began: Instant,
    /// How long it was watched before this process did.
    before: Duration,
}

impl Vigil {
    /// Watches `new` beside the release that `record` goes back to; `None` if it is not to be watched.
    pub(super) fn beside(record: &Deploy, fleet: &Fleet, new: &Token) -> Option<Self> {
        let old = record.previous.as_ref()?.token.clone();
        let watch = Watch::beside(record.guard?, fleet, new.clone(), old);
        Some(Self::new(watch, Duration::ZERO))
    }

    fn new(watch: Watch, before: Duration) -> Self {
        Self { watch, began: Instant::now(), before }
    }

    /// What the proxies say against the release by now.
    pub(super) fn look(&mut self, fleet: &Fleet, report: &Report) -> Option<Finding> {
        let (more, found) = self.watch.look(fleet, self.before + self.began.elapsed());
        if more {
            report.event("sample", serde_json::json!(self.watch.seen()));
        }
        found
    }

    /// How many requests the release was seen to answer.
    fn requests(&self) -> u64 {
        self.watch.seen().new.requests
    }
}

impl<'a> Run<'a> {
    /// Begins to ask what the deploy file asks for beside the judge.
    pub(super) fn ask_checks(&self, keys: &AppKeys, token: &Token) -> Checks<'a> {
        let record = self.journal.record();
        let release = keys.slot(record.slot).and_then(Kept::ok);
        let watched = Watched::new(&self.app, record, token, release);
        Checks::begin(self.report, &record.checks, watched)
    }

    /// Compares the new release with what the old one answered before the flip, until the time is
    /// over. A bake that another controller began has only the rest of its time.
    pub(super) async fn bake(&mut self) -> Result<(Ended, String), Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        let (Some(rules), Some(bake), Some(previous)) =
            (record.guard, record.limits.bake, &record.previous)
        else {
            return Ok((Ended::Skipped, "there is nothing to compare it with".to_owned()));
        };
        let whole = Some(Active::all(record.slot));
        let expected = Expected::of(&keys).filter(|_| keys.active() == whole);
        let (Some(expected), Some(new)) = (expected, keys.slot(record.slot)) else {
            return Err(Stop::Superseded("`active` was put by someone else".to_owned()).into());
        };
        let begun = record.steps.iter().find(|time| time.step == Step::Bake);
        let before = begun.map_or(Duration::ZERO, |time| age(time.began));
        let limit = bake.saturating_sub(before);
        let (new, old) = (new.token.clone(), previous.token.clone());
        let (mut checks, lives) = (self.ask_checks(&keys, &new), self.lives());
        let mut vigil = Vigil::new(Watch::after(rules, &self.sight.fleet, new, old), before);
        let report = self.report;
        let look = |keys: &AppKeys, fleet: &Fleet| {
            if let Some(said) = expected.superseded(keys) {
                return Err(Broken::Superseded(said));
            }
            if let Some(finding) = vigil.look(fleet, report) {
                return Err(Broken::Found(finding));
            }
            let left = show(limit.saturating_sub(vigil.began.elapsed()));
            let text = format!("{} requests, {left} to go", vigil.requests());
            Ok(Look::<()>::Wait(String::new(), text))
        };
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let waited = tokio::select! {
            waited = self.sight.wait(limit, &mut tell, look) => waited,
            broken = checks.broken() => return Err(Trouble::Found(Finding::Check(broken))),
            found = lives.ended() => return Err(Trouble::Found(found)),
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        match waited {
            Ok(Waited::Done(()) | Waited::TimedOut(_)) => {
                let said = format!("{}, and no figure is worse", vigil.watch.errors_shown());
                let none = Some(checks.unanswered()).filter(|none| !none.is_empty());
                Ok((Ended::Done, none.map_or(said.clone(), |none| format!("{said}; {none}"))))
            }
            Err(Broken::Found(finding)) => Err(Trouble::Found(finding)),
            Err(Broken::Superseded(said)) => Err(self.superseded(said).await?.into()),
        }
    }
}
