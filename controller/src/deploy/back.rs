//! The way back: everything a deploy began is undone, in the reverse order.
//!
//! Each part looks at what is there and may be repeated, so that a way back that was cut short is
//! gone again from its beginning.

use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Stage, Step};
use shunt_config::store::Txn;
use shunt_config::{Active, App, Token};

use super::exposure::Exposure;
use super::run::{Run, lasts};
use super::trouble::Trouble;
use super::wake::Asleep;
use crate::announce::displace;
use crate::app_keys::{AppKeys, Kept};
use crate::journal::WriteError;
use crate::retire::{Cleared, Reaper, Retired, remove};
use crate::stop::Stop;

/// A write that loses against another one is tried again; this often in a row is no coincidence.
const ATTEMPTS: u32 = 10;

impl Run<'_> {
    /// Undoes what was begun: traffic, keys, containers. What cannot be removed yet is told.
    pub(super) async fn go_back(&mut self) -> Result<Option<String>, Trouble> {
        let (report, what) = (self.report, "traffic, keys and containers");
        report.begin("put back", what);
        tokio::select! {
            done = Box::pin(self.put_back()) => done,
            never = lasts(report, what) => match never {},
        }
    }

    async fn put_back(&mut self) -> Result<Option<String>, Trouble> {
        let held = self.is_held().await?;
        let stopped = held && self.journal.record().has_begun(Step::Stop);
        let mut asleep = Asleep::default();
        if stopped {
            // Before anything else: who takes over from here has to go back as well.
            self.retry(Self::mark_undoing).await?;
            asleep = self.wake_others().await?;
        }
        self.retry(Self::put_active_back).await?;
        self.retry(Self::put_slot_back).await?;
        if held {
            self.let_back(stopped, &asleep).await?;
        }
        if stopped {
            // Nobody who visits the app waits any more.
            self.wake_late(asleep.late).await?;
            self.workers_follow().await;
        }
        self.remove_containers().await
    }

    /// Whether `active` can be put back to what it was. On an app's first deploy there is nothing
    /// to go back to, unless the app itself came with it and can go with it.
    pub(super) fn can_go_back(&self) -> bool {
        let before = &self.journal.record().before;
        before.active.is_some() || before.app.is_none()
    }

    async fn retry(
        &mut self,
        part: impl AsyncFn(&mut Self) -> Result<(), WriteError>,
    ) -> Result<(), Trouble> {
        for _ in 0..ATTEMPTS {
            match part(self).await {
                // Someone's `undo` was written in between, or an operator's key: look again.
                Err(WriteError::Stop(Stop::Undo(_) | Stop::Superseded(_))) => {}
                done => return Ok(done?),
            }
        }
        Err(Stop::Superseded("the app's keys change all the time".to_owned()).into())
    }

    /// Lets requests through to the old release, once it serves if it was `stopped`; as far as it is not
    /// `asleep`.
    async fn let_back(&mut self, stopped: bool, asleep: &Asleep) -> Result<(), Trouble> {
        let keys = self.journal.refresh().await?;
        if self.holds(&keys) {
            // All the time nothing was sent to the new release.
            self.exposure = Exposure::Hidden;
        }
        if stopped {
            self.served_again(&asleep.urls()).await?;
        }
        let keys = self.journal.refresh().await?;
        self.lift(&keys).await?;
        if let Err(waits) = self.let_through().await {
            self.report.note(&format!("requests are not let through everywhere yet: {waits}"));
        }
        Ok(())
    }

    async fn mark_undoing(&mut self) -> Result<(), WriteError> {
        self.journal.refresh().await?;
        self.journal.write(|record| record.stage = Stage::Undoing, Txn::new()).await?;
        Ok(())
    }

    async fn put_active_back(&mut self) -> Result<(), WriteError> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        let own = |active: Active| {
            let canary = record.canary.as_ref();
            let part = canary.is_some_and(|canary| canary.has_put(record.slot, active));
            active == Active::all(record.slot) || part
        };
        let flipped = keys.active().is_some_and(own) && record.before.active() != keys.active();
        let txn = if flipped { active_back(&keys, &record) } else { Txn::new() };
        let txn = self.unmirror(txn, &keys);
        self.journal.write(|record| record.stage = Stage::Undoing, txn).await?;
        Ok(())
    }

    /// Takes the new release out of its slot, and puts back what was there before.
    async fn put_slot_back(&mut self) -> Result<(), WriteError> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        let Some(kept) = keys.slot(record.slot) else { return Ok(()) };
        let ours = kept.ok().and_then(|release| release.deploy.as_ref()) == Some(&record.id);
        let serves = keys.active().is_some_and(|active| active.share(record.slot) > 0);
        if !ours || serves {
            return Ok(());
        }
        let slot = AppKey::Slot(record.slot);
        let mut txn = Txn::new().when(keys.unchanged(&slot)).when(keys.unchanged(&AppKey::Active));
        // Under `draining/` until no proxy has anything of it any more: it may have been served.
        // Nobody stays: what is taken back is stopped, for whatever reason it is.
        txn = displace(txn, &keys, record.slot, None).map_err(record_error)?;
        let replaced = record.replaced.as_ref();
        let old = replaced.and_then(|token| Some((token, keys.draining.get(token)?.ok()?)));
        txn = match old {
            Some((token, old)) => {
                let txn = txn.put(slot.of(&self.app), old.value.clone());
                // Its visitors are known by the deploy that started it. Where none did, they are
                // known by this announcement alone, and stay on it.
                let by_hand = old.release().is_none_or(|release| release.deploy.is_none());
                match old.sessions.filter(|_| by_hand) {
                    Some(_) => txn,
                    None => txn.delete(AppKey::Draining(token.clone()).of(&self.app)),
                }
            }
            None => txn.delete(slot.of(&self.app)),
        };
        txn = app_back(txn, &keys, &record);
        self.journal.write(|_| {}, txn).await?;
        Ok(())
    }

    /// What was begun to run is removed; why not, where it has to stay for now.
    async fn remove_containers(&mut self) -> Result<Option<String>, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        let in_slot = keys.slot(record.slot).and_then(Kept::ok);
        if in_slot.is_some_and(|release| release.deploy.as_ref() == Some(&record.id)) {
            return Ok(Some(format!("`{}` gets requests by someone else's flip", record.slot)));
        }
        let possible = self.exposure.is_possible(&keys);
        let (app, limits, report) = (&self.app, record.limits, self.report);
        let reaper = Reaper::of(&self.store, &self.journal, report);
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let retired = match announcement(&keys, &record) {
            Some(token) if possible => reaper.retire(&mut self.sight, &token, &mut tell).await?,
            Some(token) => reaper.discard(&mut self.sight, &token, &mut tell).await?,
            // Nothing was started, so no engine is asked for it.
            None if !record.has_begun(Step::Start) => return Ok(None),
            None => {
                let engines = &record.engines;
                let cleared = match possible {
                    true => reaper.sweep_deploy(engines, app, &record.id).await?,
                    false => {
                        remove(&self.journal.fence(), engines, &record.id, limits.stop).await?
                    }
                };
                return Ok(self.note_left(cleared));
            }
        };
        Ok(match retired {
            Retired::Gone { .. } => None,
            Retired::Kept(why) => Some(why),
        })
    }

    /// Remembers the engines that did not answer. Why something stays, if it does.
    fn note_left(&mut self, cleared: Cleared) -> Option<String> {
        let left = cleared.left();
        self.left = cleared.missed.into_iter().map(|(engine, _)| engine).collect();
        let why: Vec<String> = cleared.kept.into_iter().chain(left).collect();
        (!why.is_empty()).then(|| why.join("; "))
    }

    /// The record that this deploy's took the place of, to be put back.
    pub(super) fn earlier(&self, keys: &AppKeys) -> Option<Deploy> {
        let record = self.journal.record();
        let mut earlier = record.earlier.as_deref()?.clone();
        if let Some(previous) = &mut earlier.previous
            && record.replaced.as_ref() == Some(&previous.token)
        {
            // Putting a release back is a new announcement of it.
            previous.token = keys.slot(previous.slot)?.token.clone();
        }
        Some(earlier)
    }
}

/// Adds to `txn` that the app's settings are as before the release was announced, as far as that has
/// changed them.
fn app_back(txn: Txn, keys: &AppKeys, record: &Deploy) -> Txn {
    let key = AppKey::App.of(&keys.name);
    let Some(kept) = &keys.app else { return txn };
    let Some(before) = &record.before.app else { return txn.delete(key) };
    let was = App::parse(before.as_bytes()).ok();
    let previewed = was.zip(kept.ok()).is_some_and(|(was, now)| {
        was != *now && App { preview: now.preview.clone(), ..was } == *now
    });
    match previewed {
        true => txn.when(keys.unchanged(&AppKey::App)).put(key, before.clone()),
        false => txn,
    }
}

fn active_back(keys: &AppKeys, record: &Deploy) -> Txn {
    let (active, app) = (AppKey::Active.of(&keys.name), AppKey::App.of(&keys.name));
    let txn = Txn::new().when(keys.unchanged(&AppKey::Active));
    let txn = match &record.before.active {
        Some(before) => txn.put(active, before.clone()),
        None => txn.delete(active),
    };
    let now = keys.app.as_ref().map(Kept::text);
    match (&record.before.app, now) {
        (Some(before), Some(now)) if *before != now => {
            txn.when(keys.unchanged(&AppKey::App)).put(app, before.clone())
        }
        // The app came with this deploy. With `active` deleted alone, the proxies would go on
        // serving the last good value.
        (None, Some(_)) => txn.when(keys.unchanged(&AppKey::App)).delete(app),
        _ => txn,
    }
}

/// The announcement of this deploy's release under `draining/`.
fn announcement(keys: &AppKeys, record: &Deploy) -> Option<Token> {
    let ours = |kept: &Kept<shunt_config::record::Draining>| {
        let release = kept.ok().and_then(shunt_config::record::Draining::release);
        release.is_some_and(|release| release.deploy.as_ref() == Some(&record.id))
    };
    keys.draining.iter().find(|(_, kept)| ours(kept)).map(|(token, _)| token.clone())
}

fn record_error(failure: crate::exit::Failure) -> WriteError {
    WriteError::Stop(Stop::Superseded(failure.said))
}
