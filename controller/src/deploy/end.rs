//! How a deploy ends, whichever way it went.

use jiff::Timestamp;
use shunt_config::record::{Deploy, History, Outcome, Stage};
use shunt_config::store::Txn;

use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::AppKeys;
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::flip::join;
use crate::guard::Stop;
use crate::history;
use crate::report::{Ended, show};
use crate::retire::{Yard, remove};
use crate::undo::later;

impl Run<'_> {
    /// Ends the deploy: closes it if it is done, puts right what failed, lets go of the lock.
    pub(super) async fn end(self, done: Result<(), Trouble>) -> Result<(), Failure> {
        let Err(trouble) = done else { return self.close(Outcome::Done, None).await };
        let stage = self.journal.record().stage;
        let harmless =
            matches!(trouble, Trouble::Stop(Stop::Signal)) && stage == Stage::Acknowledged;
        let ended = if harmless { Ended::Skipped } else { Ended::Failed };
        self.report.end(ended, &trouble.failure(&self.journal.record().id).said);
        match (&trouble, stage) {
            (Trouble::Stop(Stop::LockLost), _) => self.abandon(trouble).await,
            (Trouble::Store(_), _) => self.leave(trouble).await,
            (_, Stage::Flipped) => Box::pin(self.after_flip(trouble)).await,
            (_, Stage::Acknowledged) => Box::pin(self.after_acknowledge(trouble)).await,
            _ => Box::pin(self.take_back(trouble)).await,
        }
    }

    async fn after_flip(self, trouble: Trouble) -> Result<(), Failure> {
        match &trouble {
            Trouble::Unacknowledged(_) => self.leave(trouble).await,
            Trouble::Stop(Stop::Superseded(said)) => {
                let said = said.clone();
                let failure = trouble.failure(&self.journal.record().id);
                self.close(Outcome::Superseded, Some(said)).await.and(Err(failure))
            }
            _ if self.can_go_back() => Box::pin(self.take_back(trouble)).await,
            _ => self.leave(trouble).await,
        }
    }

    async fn after_acknowledge(mut self, trouble: Trouble) -> Result<(), Failure> {
        let mut failure = trouble.failure(&self.journal.record().id);
        if let Trouble::Stop(stop) = &trouble {
            self.retire_replaced(*stop != Stop::Signal).await;
        }
        let said = failure.said.clone();
        match trouble {
            // The flip stands and every proxy has it: nothing is left that would need waiting.
            Trouble::Stop(Stop::Signal) => self.close(Outcome::Done, None).await,
            Trouble::Stop(Stop::Undo(_)) => {
                self.close(Outcome::Undone, Some(said)).await.and(Err(failure))
            }
            Trouble::Stop(_) => self.close(Outcome::Superseded, Some(said)).await.and(Err(failure)),
            _ => {
                let app = &self.app;
                failure.hint = Some(format!("the flip stands; `shuntctl retire {app}` goes on"));
                self.close(Outcome::Done, Some(said)).await.and(Err(failure))
            }
        }
    }

    /// Stops the release that was in the slot before: whatever became of the flip since, nothing
    /// goes back to that one. What has to stay is left to the next run.
    async fn retire_replaced(&mut self, wait: bool) {
        let record = self.journal.record();
        let Some(token) = record.replaced.clone() else { return };
        let yard =
            Yard { store: &self.store, held: self.journal.held(), limits: record.limits, wait };
        let said = match yard.retire(&mut self.sight, &token, &mut |_, _| {}).await {
            Ok(retired) => retired.text(),
            Err(failure) => failure.said,
        };
        self.report.note(&format!("the release that was in the slot before: {said}"));
    }

    /// Undoes what was begun, and ends as the trouble says.
    async fn take_back(mut self, trouble: Trouble) -> Result<(), Failure> {
        let flipped = self.journal.record().stage == Stage::Flipped;
        let mut failure = trouble.failure(&self.journal.record().id);
        if flipped && failure.exit != Exit::Unreachable {
            failure.exit = Exit::Undone;
        }
        let outcome = match failure.exit {
            Exit::Undone => Outcome::Undone,
            Exit::Superseded => Outcome::Superseded,
            _ => Outcome::Failed,
        };
        match self.go_back().await {
            Ok(kept) => {
                let said = match &kept {
                    None => "as it was before; what was started is removed".to_owned(),
                    Some(why) => format!("as it was before; the new release still runs: {why}"),
                };
                self.report.end(Ended::Done, &said);
                let reason = failure.said.clone();
                self.close(outcome, Some(reason)).await.and(Err(failure))
            }
            Err(again) => {
                let id = self.journal.record().id.clone();
                let why = again.failure(&id).said;
                self.report.end(Ended::Failed, &why);
                failure.details.push(format!("and it could not be taken back: {why}"));
                failure.hint = Some(resume(&self.app));
                let _ = self.journal.held().clone().release().await;
                Err(failure)
            }
        }
    }

    /// Leaves the record as it is: half done, for `resume` to go on with.
    async fn leave(self, trouble: Trouble) -> Result<(), Failure> {
        let failure = trouble.failure(&self.journal.record().id).hint(resume(&self.app));
        // Without the store the lock goes by itself.
        let _ = self.journal.held().clone().release().await;
        Err(failure)
    }

    /// The lock is another's, or will be soon. What this process alone knows of is removed, if
    /// whoever has taken over has not made it theirs: nothing else is touched.
    async fn abandon(self, trouble: Trouble) -> Result<(), Failure> {
        let record = self.journal.record();
        let failure = trouble.failure(&record.id).hint(resume(&self.app));
        let Ok(keys) = AppKeys::read(&*self.store, &self.app).await else { return Err(failure) };
        if mentions(&keys, &record.id) {
            return Err(failure);
        }
        if let Ok(engine) = engine::open(record.engine.as_deref()).await
            && let Err(left) = remove(&*engine, &self.app, &record.id, record.limits.stop).await
        {
            return Err(failure.details([left.said]));
        }
        Err(failure)
    }

    /// Writes down how it ended, and lets go of the lock. `undo` may come in between to the last.
    pub(super) async fn close(
        mut self,
        mut outcome: Outcome,
        mut reason: Option<String>,
    ) -> Result<(), Failure> {
        let id = self.journal.record().id.clone();
        let mut undone = None;
        let last = loop {
            match self.write_end(outcome, reason.clone()).await {
                Ok(last) => break last,
                Err(trouble @ Trouble::Stop(Stop::Undo(_))) => {
                    let failure = trouble.failure(&id);
                    (outcome, reason) = (Outcome::Undone, Some(failure.said.clone()));
                    undone = Some(failure);
                }
                Err(trouble) => return Err(trouble.failure(&id).hint(resume(&self.app))),
            }
        };
        self.journal.held().clone().release().await?;
        if outcome == Outcome::Done {
            self.praise(last.as_ref());
        }
        undone.map_or(Ok(()), Err)
    }

    /// The record that stays, if one does.
    async fn write_end(
        &mut self,
        outcome: Outcome,
        reason: Option<String>,
    ) -> Result<Option<Deploy>, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        if let (Outcome::Done, Some(who)) = (outcome, &record.undo) {
            return Err(Stop::Undo(who.clone()).into());
        }
        let last = match record.stage {
            Stage::Flipped | Stage::Acknowledged => warm(&record),
            _ => self.earlier(&keys),
        };
        let txn = history::add(Txn::new(), &keys, &record.id, &entry(&record, outcome, reason));
        self.journal.close(last.clone(), txn).await?;
        Ok(last)
    }

    fn praise(&self, last: Option<&Deploy>) {
        let (record, app) = (self.journal.record(), &self.app);
        let version = record.version.as_deref().unwrap_or("the release");
        let took = show(crate::report::distance(record.began));
        self.report.note(&format!("{version} serves `{app}`, after {took}"));
        if last.is_some_and(|last| last.id == record.id) {
            let warm = show(record.limits.warm);
            self.report.note(&format!("the old release is kept for {warm}: `shuntctl undo {app}`"));
        }
    }
}

/// The record that stays while the previous release is warm; `None` if there is none.
fn warm(record: &Deploy) -> Option<Deploy> {
    record.previous.as_ref()?;
    Some(Deploy {
        stage: Stage::Warm,
        warm_until: Some(later(Timestamp::now(), record.limits.warm)),
        undo: None,
        earlier: None,
        ..record.clone()
    })
}

fn entry(record: &Deploy, outcome: Outcome, reason: Option<String>) -> History {
    History {
        verb: "deploy".to_owned(),
        who: record.who.clone(),
        began: record.began,
        ended: Timestamp::now(),
        active: Some(record.slot.to_string()),
        version: record.version.clone(),
        image: record.image.clone(),
        outcome,
        reason,
        steps: record.steps.clone(),
    }
}

/// Whether any key speaks of the deploy `id`.
fn mentions(keys: &AppKeys, id: &str) -> bool {
    let raw = keys.deploy.iter().map(|kept| &kept.raw);
    let slots = shunt_config::Slot::BOTH.into_iter().filter_map(|s| keys.slot(s)).map(|k| &k.raw);
    let draining = keys.draining.values().map(|kept| &kept.raw);
    let mut all = raw.chain(slots).chain(draining);
    all.any(|value| String::from_utf8_lossy(value).contains(id))
}

fn resume(app: &shunt_config::AppName) -> String {
    format!("`shuntctl resume {app}` finishes or undoes what is half done")
}

impl Trouble {
    /// The trouble in words, and the exit code it means while traffic is as it was.
    pub(super) fn failure(&self, id: &str) -> Failure {
        match self {
            Self::Stop(Stop::Signal) => Failure::new(Exit::Undone, "stopped by a signal"),
            Self::Stop(Stop::Undo(who)) => Failure::new(Exit::Undone, format!("undone by {who}")),
            Self::Stop(Stop::LockLost) => {
                let said = format!("the lock was lost, so deploy {id} changes nothing more");
                Failure::new(Exit::Unreachable, said)
            }
            Self::Stop(Stop::Superseded(said)) => Failure::new(Exit::Superseded, said.clone()),
            Self::Unhealthy(said, details) => {
                Failure::new(Exit::Unhealthy, said.clone()).details(details.clone())
            }
            Self::Refused(why) => {
                let details = why.iter().map(|(proxy, reason)| format!("{proxy}: {reason}"));
                let said = format!("refused by {}", join(why.keys()));
                Failure::new(Exit::Unacknowledged, said).details(details)
            }
            Self::Unacknowledged(waits) => {
                let said = format!("flipped, but not acknowledged in time: {waits}");
                Failure::new(Exit::Unacknowledged, said)
            }
            Self::Engine(error) => error.clone().into(),
            Self::Store(said) => Failure::new(Exit::Unreachable, said.clone()),
            Self::Other(failure) => failure.clone(),
        }
    }
}
