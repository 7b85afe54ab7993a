//! The time after the flip in which the new release is watched.

use std::time::Duration;

use shunt_config::Active;
use shunt_config::record::Step;
use tokio::time::Instant;

use super::run::Run;
use super::trouble::Trouble;
use crate::ack::Expected;
use crate::app_keys::AppKeys;
use crate::fleet::Fleet;
use crate::flip::superseded;
use crate::guard::Stop;
use crate::judge::{Finding, Sample, Watch};
use crate::report::Ended;
use crate::sight::{Look, Waited};
use crate::time::{age, show};

/// Why a bake ends before its time.
enum Broken {
    Found(Finding),
    Superseded(String),
}

impl Run<'_> {
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
        let mut watch = Watch::after(rules, &self.sight.fleet, new, old);
        let (began, mut seen, report) = (Instant::now(), Sample::default(), self.report);
        let look = |keys: &AppKeys, fleet: &Fleet| {
            if let Some(said) = superseded(keys, &expected) {
                return Err(Broken::Superseded(said));
            }
            let (sample, found) = watch.look(fleet, before + began.elapsed());
            if (&sample.new, &sample.old) != (&seen.new, &seen.old) {
                report.event("sample", serde_json::json!(sample));
            }
            seen = sample;
            let left = show(limit.saturating_sub(began.elapsed()));
            let text = format!("{} requests, {left} to go", seen.new.requests);
            found.map_or(Ok(Look::<()>::Wait(String::new(), text)), |found| {
                Err(Broken::Found(found))
            })
        };
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let waited = tokio::select! {
            waited = self.sight.wait(limit, &mut tell, look) => waited,
            stop = self.guard.stopped() => return Err(stop.into()),
        };
        match waited {
            Ok(Waited::Done(()) | Waited::TimedOut(_)) => {
                let said = format!("{} requests, and no figure is worse", seen.new.requests);
                Ok((Ended::Done, said))
            }
            Err(Broken::Found(finding)) => Err(Trouble::Found(finding)),
            Err(Broken::Superseded(said)) => {
                // `undo` puts `active`, too; its mark in the record tells it from a stranger's.
                self.journal.refresh().await?;
                let undo = self.journal.record().undo.clone();
                Err(undo.map_or(Stop::Superseded(said), Stop::Undo).into())
            }
        }
    }
}
