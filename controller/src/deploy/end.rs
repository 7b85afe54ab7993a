//! How a deploy ends, whichever way it went.

use shunt_config::record::{Outcome, Stage, Step};
use shunt_config::store::StoreError;
use shunt_config::{AppName, Slot};

use super::run::{Run, lasts};
use super::trouble::Trouble;
use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::fence::Fence;
use crate::report::Ended;
use crate::retire::{Reaper, Retired, remove};
use crate::stop::Stop;

impl Run<'_> {
    /// Ends the deploy: closes it if it is done, puts right what failed, lets go of the lock.
    pub(super) async fn end(self, done: Result<(), Trouble>) -> Result<(), Failure> {
        let (report, on_failure) = (self.report, self.on_failure());
        let done = match report.hidden().lacks() {
            true => done.map_err(Trouble::in_own_words),
            false => done,
        };
        let ended = Box::pin(self.end_by(done)).await;
        if let (Err(failure), Some(hook)) = (&ended, on_failure) {
            hook.run(report, failure).await;
        }
        ended
    }

    async fn end_by(mut self, done: Result<(), Trouble>) -> Result<(), Failure> {
        let Err(trouble) = done else { return self.close(Outcome::Done, None).await };
        let stage = self.journal.record().stage;
        let held = match &trouble {
            // Nothing more is read, nor taken back.
            Trouble::Stop(Stop::LockLost) | Trouble::Store(_) => false,
            _ => match self.is_held().await {
                Ok(held) => held,
                Err(StoreError::LeaseLost) => return self.abandon(Stop::LockLost.into()).await,
                Err(error) => return self.leave(error.into()).await,
            },
        };
        let harmless = matches!(trouble, Trouble::Stop(Stop::Signal))
            && stage == Stage::Acknowledged
            && !self.is_to_be_watched()
            && !held;
        let ended = if harmless { Ended::Skipped } else { Ended::Failed };
        self.report.end(ended, &trouble.failure(&self.journal.record().id).said);
        match (&trouble, stage) {
            (Trouble::Stop(Stop::LockLost), _) => self.abandon(trouble).await,
            (Trouble::Store(_), _) => self.leave(trouble).await,
            (Trouble::Stop(Stop::Superseded(_)), Stage::Canary) => {
                Box::pin(self.after_part(trouble)).await
            }
            // Whatever it is: nothing was sent to the new release, and nothing is sent to the old one.
            _ if held => Box::pin(self.take_back(trouble)).await,
            (_, Stage::Flipped) => Box::pin(self.after_flip(trouble)).await,
            (Trouble::Found(_), _) => Box::pin(self.take_back(trouble)).await,
            // Nobody knows how it would have come out.
            (Trouble::Stop(Stop::Signal), Stage::Acknowledged) if self.is_to_be_watched() => {
                Box::pin(self.take_back(trouble)).await
            }
            (_, Stage::Acknowledged) => Box::pin(self.after_acknowledge(trouble)).await,
            _ => Box::pin(self.take_back(trouble)).await,
        }
    }

    /// Whether the new release has a time to be watched after the flip that is not over.
    fn is_to_be_watched(&self) -> bool {
        let record = self.journal.record();
        let watched = record.steps.iter().any(|t| t.step == Step::Bake && t.ended.is_some());
        record.plan.contains(&Step::Bake) && !watched
    }

    /// Someone else has put `active` during the canary. Where theirs sends requests to the new
    /// release, all stays as they want it.
    async fn after_part(mut self, trouble: Trouble) -> Result<(), Failure> {
        let id = self.journal.record().id.clone();
        let keys = match self.journal.refresh().await {
            Ok(keys) => keys,
            Err(error) => return self.leave(error.into()).await,
        };
        let slot = self.journal.record().slot;
        if keys.active().is_none_or(|active| active.share(slot) == 0) {
            return Box::pin(self.take_back(trouble)).await;
        }
        let failure = trouble.failure(&id);
        let said = failure.said.clone();
        self.close(Outcome::Superseded, Some(said)).await.and(Err(failure))
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
        match &trouble {
            Trouble::Stop(stop) => {
                self.workers_follow().await;
                self.retire_replaced(*stop != Stop::Signal).await;
            }
            Trouble::Workers(..) => {
                // As it stands now: what was last seen may be from before the flip.
                let keys = self.journal.refresh().await.ok();
                self.idle = keys.and_then(|keys| Some(keys.active.as_ref()?.token.clone()));
                self.retire_replaced(false).await;
            }
            _ => {}
        }
        let said = failure.said.clone();
        match trouble {
            // The flip stands and every proxy has it: nothing is left that would need waiting.
            Trouble::Stop(Stop::Signal) => self.close(Outcome::Done, None).await,
            Trouble::Stop(Stop::Undo(_)) => {
                self.close(Outcome::Undone, Some(said)).await.and(Err(failure))
            }
            Trouble::Stop(_) => self.close(Outcome::Superseded, Some(said)).await.and(Err(failure)),
            Trouble::Workers(..) => {
                let app = &self.app;
                failure.hint = Some(match self.journal.record().holds() {
                    true => "the flip stands, and the old release is stopped".to_owned(),
                    false => format!("the flip stands; `shuntctl undo {app}` goes back"),
                });
                self.close(Outcome::Done, Some(said)).await.and(Err(failure))
            }
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
        let stopped = match self.condemn_stopped().await {
            Ok(stopped) => stopped,
            Err(trouble) => {
                let failure = trouble.failure(&self.journal.record().id);
                return self.report.note(&format!("the release that was stopped stays: {failure}"));
            }
        };
        let record = self.journal.record();
        let replaced = record.replaced.clone().filter(|token| {
            let left =
                self.sight.keys.draining.get(token).and_then(|kept| kept.ok()?.finish.as_ref());
            let later = !wait && left.is_some();
            if later {
                // Who has just stopped it, or looks for what is wrong, does not wait for it now.
                self.report.note("`finish` is left to the next run");
            }
            !later
        });
        for token in replaced.into_iter().chain(stopped) {
            let (report, what) = (self.report, "the release that was in the slot before");
            report.begin(Step::Retire.as_str(), what);
            let mut tell = |key: &str, text: &str| report.progress(key, text);
            let reaper = Reaper { wait, ..Reaper::of(&self.store, &self.journal, report) };
            let retired = tokio::select! {
                retired = reaper.retire(&mut self.sight, &token, &mut tell) => retired,
                never = lasts(report, what) => match never {},
            };
            let (ended, said) = match retired {
                Ok(gone @ Retired::Gone { .. }) => (Ended::Done, gone.text()),
                Ok(kept @ Retired::Kept(_)) => (Ended::Skipped, kept.text()),
                Err(failure) => (Ended::Skipped, format!("kept: {failure}")),
            };
            report.end(ended, &format!("{what}: {said}"));
        }
    }

    /// Undoes what was begun, and ends as the trouble says.
    async fn take_back(mut self, trouble: Trouble) -> Result<(), Failure> {
        let stage = self.journal.record().stage;
        let flipped = matches!(stage, Stage::Canary | Stage::Flipped | Stage::Acknowledged);
        let mut failure = trouble.failure(&self.journal.record().id);
        if flipped && !matches!(failure.exit, Exit::Unreachable | Exit::Superseded) {
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
                    Some(why) => {
                        format!("as it was before; not all that was started is removed: {why}")
                    }
                };
                self.report.end(Ended::Done, &said);
                if let Some(why) = kept {
                    failure.details.push(format!("not all that was started is removed: {why}"));
                }
                let reason = failure.said.clone();
                self.close(outcome, Some(reason)).await.and(Err(failure))
            }
            Err(again) => {
                let id = self.journal.record().id.clone();
                let why = again.failure(&id).said;
                self.report.end(Ended::Failed, &why);
                failure.details.push(format!("and it could not be taken back: {why}"));
                failure.hint = Some(resume(&self.app));
                // The failure is what matters; a lock that is not let go of goes by itself.
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
        let fence = Fence::without_lock(&*self.store, &self.app);
        let cleared = remove(&fence, &record.engines, &record.id, record.limits.stop).await;
        Err(failure.details(cleared.ok().and_then(|cleared| cleared.left())))
    }
}

/// Whether any key speaks of the deploy `id`.
fn mentions(keys: &AppKeys, id: &str) -> bool {
    let raw = keys.deploy.iter().map(|kept| &kept.raw);
    let slots = Slot::BOTH.into_iter().filter_map(|s| keys.slot(s)).map(|k| &k.raw);
    let draining = keys.draining.values().map(|kept| &kept.raw);
    let mut all = raw.chain(slots).chain(draining);
    all.any(|value| String::from_utf8_lossy(value).contains(id))
}

pub(super) fn resume(app: &AppName) -> String {
    format!("`shuntctl resume {app}` finishes or undoes what is half done")
}
