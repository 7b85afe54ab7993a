//! The step in which a part of the requests goes to the new release, and then more of them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::record::{Canary, Deploy, Stage};
use shunt_config::store::Txn;
use shunt_config::{Active, Token};

use super::bake::{Broken, Vigil};
use super::exposure::Exposure;
use super::job::Job;
use super::run::Run;
use super::settings::divided;
use super::trouble::Trouble;
use crate::ack::Ask;
use crate::app_keys::AppKeys;
use crate::canary::{Left, answers, place};
use crate::checks::Checks;
use crate::expected::Expected;
use crate::fleet::Fleet;
use crate::flip::flip;
use crate::judge::Finding;
use crate::report::Ended;
use crate::sight::{Look, Waited};
use crate::stop::Stop;

/// A wait without an end is looked at again this often.
const LONG: Duration = Duration::from_hours(1);

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// All that it waited for has come.
    Done,
    /// Someone has said so.
    Promoted { full: bool },
}

impl<'a> Run<'a> {
    pub(super) async fn canary(&mut self, job: &Job) -> Result<(Ended, String), Trouble> {
        let steps = self.journal.record().canary.as_ref().map_or(0, |canary| canary.steps.len());
        let mut watch = (None, None);
        for index in 0..steps {
            self.put_part(index, job).await?;
            let (by, _) = self.taken(self.part()).await?;
            self.serves_part(by).await?;
            if self.part_over(&mut watch).await? == (Over::Promoted { full: true }) {
                return Ok((Ended::Done, format!("promoted at {}", self.place())));
            }
        }
        let none = watch.1.as_ref().map(Checks::unanswered).filter(|none| !none.is_empty());
        let none = none.map_or_else(String::new, |none| format!("; {none}"));
        Ok((Ended::Done, format!("{steps} share(s){none}")))
    }

    /// Puts `active` to part number `index`, from 0.
    async fn put_part(&mut self, index: usize, job: &Job) -> Result<(), Trouble> {
        let keys = self.journal.refresh().await?;
        self.unchanged(&keys)?;
        let record = self.journal.record();
        let Some(part) = record.canary.as_ref().and_then(|canary| canary.steps.get(index)) else {
            return Ok(());
        };
        let to = Active::split(record.slot, part.percent);
        let mut txn = flip(&keys, to)?;
        // How requests are divided has to be known when they are; all else comes with the flip.
        if let Some(app) = divided(&keys, job, record.slot) {
            let value = serde_json::to_vec(&app).map_err(|e| Trouble::Store(e.to_string()))?;
            txn = txn.when(keys.unchanged(&AppKey::App)).put(AppKey::App.of(&self.app), value);
        }
        let change = |record: &mut Deploy| {
            record.stage = Stage::Canary;
            if let Some(canary) = &mut record.canary {
                (canary.begun, canary.since) = (index + 1, None);
                canary.promote = canary.promote.take().filter(|promote| promote.full);
            }
        };
        // Before the answer is there, since a lost answer does not mean that it was not written.
        self.exposure = Exposure::Possible;
        let tokens = self.journal.write(change, txn).await?;
        self.active = tokens.get(&AppKey::Active.of(&self.app).to_string()).cloned();
        Ok(())
    }

    /// Writes down that every live proxy has the present part.
    async fn serves_part(&mut self, by: usize) -> Result<(), Trouble> {
        let answered = self.announced().map_or(0, |token| answers(&self.sight.fleet, token));
        let change = |record: &mut Deploy| {
            if let Some(canary) = &mut record.canary {
                (canary.since, canary.answered) = (Some(Timestamp::now()), answered);
            }
        };
        self.journal.write(change, Txn::new()).await?;
        let (place, active) = (self.place(), self.part());
        self.report.event("share", json!({ "active": active.to_string(), "said": place }));
        let proxies = if by == 1 { "1 proxy" } else { &format!("{by} proxies") };
        self.report.line(&format!("  →  canary       {place}, on {proxies}"));
        Ok(())
    }

    /// Waits until the present part is over. From the first one on the new release is watched beside
    /// the old one.
    async fn part_over(
        &mut self,
        watch: &mut (Option<Vigil>, Option<Checks<'a>>),
    ) -> Result<Over, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        self.unchanged(&keys)?;
        let (Some(canary), Some(token)) = (&record.canary, self.announced().cloned()) else {
            return Ok(Over::Done);
        };
        let expected = Expected::of(&keys);
        let lives = self.lives();
        let (vigil, checks) = std::mem::take(watch);
        let mut vigil = vigil.or_else(|| Vigil::beside(&record, &self.sight.fleet, &token));
        let mut checks = checks.unwrap_or_else(|| self.ask_checks(&keys, &token));
        checks.share(canary.part().map_or(0, |part| part.percent));
        let (report, place) = (self.report, place(canary));
        let mut tell = |key: &str, text: &str| report.progress(key, &format!("{place}: {text}"));
        let mut look = |keys: &AppKeys, fleet: &Fleet| {
            if let Some(said) = expected.as_ref().and_then(|expected| expected.superseded(keys)) {
                return Err(Broken::Superseded(said));
            }
            if let Some(found) = vigil.as_mut().and_then(|vigil| vigil.look(fleet, report)) {
                return Err(Broken::Found(found));
            }
            if let Some(over) = promoted(keys, &record) {
                return Ok(Look::Done(over));
            }
            let left = Left::of(canary, answers(fleet, &token));
            Ok(match left.filter(|left| !left.is_nothing()) {
                None => Look::Done(Over::Done),
                Some(left) => {
                    let key = format!("{} {}", canary.begun, left.kind());
                    Look::Wait(key, left.text(&keys.name))
                }
            })
        };
        let over = loop {
            // To the moment, not to the next second.
            let limit = Left::of(canary, 0).and_then(|left| left.time()).unwrap_or(LONG);
            let waited = tokio::select! {
                waited = self.sight.wait(limit, &mut tell, &mut look) => waited,
                found = lives.ended() => return Err(Trouble::Found(found)),
                broken = checks.broken() => return Err(Trouble::Found(Finding::Check(broken))),
                stop = self.lookout.stopped() => return Err(stop.into()),
            };
            match waited {
                Ok(Waited::Done(over)) => break over,
                Ok(Waited::TimedOut(_)) => {}
                Err(Broken::Found(finding)) => return Err(Trouble::Found(finding)),
                Err(Broken::Superseded(said)) => return Err(self.superseded(said).await?.into()),
            }
        };
        *watch = (vigil, Some(checks));
        Ok(over)
    }

    /// Why `active` is not what this deploy has put: `undo` puts it, too, and its mark in the record
    /// tells it from a stranger's.
    pub(super) async fn superseded(&mut self, said: String) -> Result<Stop, Trouble> {
        self.journal.refresh().await?;
        let undo = self.journal.record().undo.clone();
        Ok(undo.map_or(Stop::Superseded(said), Stop::Undo))
    }

    /// `active` as the present part has it.
    fn part(&self) -> Active {
        let record = self.journal.record();
        let part = record.canary.as_ref().and_then(Canary::part);
        Active::split(record.slot, part.map_or(0, |part| part.percent))
    }

    fn place(&self) -> String {
        self.journal.record().canary.as_ref().map(place).unwrap_or_default()
    }

    /// The announcement of the new release.
    pub(super) fn announced(&self) -> Option<&Token> {
        self.announced.as_ref().map(|(token, _)| token)
    }
}

/// Whether someone has said that the present part of `record` is over.
fn promoted(keys: &AppKeys, record: &Deploy) -> Option<Over> {
    let now = keys.record().filter(|now| now.id == record.id)?;
    let (now, canary) = now.canary.as_ref().zip(record.canary.as_ref())?;
    // A look may lag behind what this process has written.
    let promote = now.promoted().filter(|_| now.begun == canary.begun)?;
    Some(Over::Promoted { full: promote.full })
}
