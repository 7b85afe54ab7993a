//! The end of a deploy's record: what is written down of it, and the lock let go of.

use jiff::Timestamp;
use shunt_config::hold::{Hold, Mode};
use shunt_config::record::{Deploy, History, Outcome, Stage};
use shunt_config::store::Txn;

use super::end::resume;
use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::Kept;
use crate::exit::Failure;
use crate::history;
use crate::stop::Stop;
use crate::time::{age, later, show};

impl Run<'_> {
    /// Writes down how it ended, and lets go of the lock. `undo` may come in between to the last.
    pub(super) async fn close(
        mut self,
        mut outcome: Outcome,
        mut reason: Option<String>,
    ) -> Result<(), Failure> {
        let id = self.journal.record().id.clone();
        let mut undone = None;
        let last = loop {
            match Box::pin(self.write_end(outcome, reason.clone())).await {
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
            Stage::Canary | Stage::Flipped | Stage::Acknowledged => warm(&record),
            _ => self.earlier(&keys),
        };
        // No key of a deploy outlives its record.
        let txn = self.unmirror(Txn::new(), &keys);
        let txn = history::add(txn, &keys, &record.id, &self.entry(outcome, reason));
        self.journal.close(last.clone(), txn).await?;
        Ok(last)
    }

    fn entry(&self, outcome: Outcome, reason: Option<String>) -> History {
        let record = self.journal.record();
        History {
            verb: "deploy".to_owned(),
            who: record.who.clone(),
            began: record.began,
            ended: Timestamp::now(),
            active: Some(record.slot.to_string()),
            serving: Vec::new(),
            before: None,
            version: record.version.clone(),
            image: record.image.clone(),
            image_id: record.image_id.clone(),
            idle: self.idle.clone(),
            outcome,
            // Whoever may read keys is not yet one who may read secrets.
            reason: reason.map(|reason| self.report.covered(&reason)),
            gave_way: record.gave_way.clone(),
            mirrored: record.mirrored.clone(),
            left: self.left.clone(),
            steps: record.steps.clone(),
        }
    }

    fn praise(&self, last: Option<&Deploy>) {
        let (record, app) = (self.journal.record(), &self.app);
        let version = record.version.as_deref().unwrap_or("the release");
        let took = show(age(record.began));
        self.report.note(&format!("{version} serves `{app}`, after {took}"));
        // What is seen may be from before this deploy let its own requests go.
        let own = |hold: &&Hold| hold.deploy.as_ref() == Some(&record.id);
        let hold = self.sight.keys.hold.as_ref().and_then(Kept::ok).filter(|hold| !own(hold));
        match hold.map(|hold| hold.mode) {
            Some(Mode::Maintenance) => self.report.note(&format!(
                "but `{app}` is in maintenance, and visitors get 503: `shuntctl maintenance {app} off`"
            )),
            Some(Mode::Hold) => self.report.note(&format!(
                "but `{app}` is held, and requests wait: `shuntctl release {app}`"
            )),
            None => {}
        }
        if last.is_some_and(|last| last.id == record.id) {
            let warm = show(record.limits.warm);
            self.report.note(&format!("the old release is kept for {warm}: `shuntctl undo {app}`"));
        }
    }
}

/// The record that stays while the previous release is warm; `None` if there is none.
fn warm(record: &Deploy) -> Option<Deploy> {
    // What was stopped is not warm.
    record.previous.as_ref().filter(|_| !record.holds())?;
    Some(Deploy {
        stage: Stage::Warm,
        warm_until: Some(later(Timestamp::now(), record.limits.warm)),
        undo: None,
        earlier: None,
        ..record.clone()
    })
}
