//! The flip, and the steps after it.

use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Stage};
use shunt_config::store::Txn;
use shunt_config::{Active, ProxyName, Token};

use super::exposure::Exposure;
use super::job::Job;
use super::run::Run;
use super::settings::settings;
use super::trouble::Trouble;
use crate::ack::{Taken, acknowledged, join};
use crate::announce::displace;
use crate::drained::{Drained, drained, leases};
use crate::expected::Expected;
use crate::flip::flip;
use crate::report::Ended;
use crate::retire::{Reaper, Retired};
use crate::stay::Stay;
use crate::stop::Stop;
use crate::undo::{as_previous, is_previous};

impl Run<'_> {
    pub(super) async fn flip(&mut self, job: &Job) -> Result<String, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        let slot = record.slot;
        self.unchanged(&keys)?;
        let mut txn = flip(&keys, Active::all(slot))?;
        // What undo goes back to has to be what is served at this very moment.
        let previous = keys.active().map(|_| slot.other());
        if let Some(old) = previous {
            txn = txn.when(keys.unchanged(&AppKey::Slot(old)));
        }
        let previous = previous.and_then(|old| Some(as_previous(old, keys.slot(old)?)));
        if let Some(app) = settings(&keys, job, slot) {
            let value = serde_json::to_vec(&app).map_err(|e| Trouble::Store(e.to_string()))?;
            txn = txn.when(keys.unchanged(&AppKey::App)).put(AppKey::App.of(&self.app), value);
        }
        let change = |record: &mut Deploy| {
            record.stage = Stage::Flipped;
            record.previous = previous;
        };
        // Before the answer is there, since a lost answer does not mean that it was not written.
        self.exposure = Exposure::Possible;
        self.journal.write(change, txn).await?;
        Ok(format!("`{}` is to go to `{slot}`", self.app))
    }

    pub(super) async fn acknowledge(&mut self) -> Result<String, Trouble> {
        let (by, lost) = self.taken(Active::all(self.journal.record().slot)).await?;
        let change = |record: &mut Deploy| record.stage = Stage::Acknowledged;
        self.journal.write(change, Txn::new()).await?;
        // One that holds requests tells of it once they are let go.
        if !self.journal.record().holds() {
            self.flipped().await;
        }
        let missed = match lost.is_empty() {
            true => String::new(),
            false => format!("; not waited for, since lost: {}", join(&lost)),
        };
        Ok(format!("by {by} of {}{missed}", by + lost.len()))
    }

    /// Waits until every live proxy serves `active`, as this deploy has put it: how many do, and
    /// which were not waited for.
    pub(super) async fn taken(
        &mut self,
        active: Active,
    ) -> Result<(usize, Vec<ProxyName>), Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        if let Some(who) = record.undo.clone() {
            return Err(Stop::Undo(who).into());
        }
        let limit = record.limits.flip;
        let expected = Expected::of(&keys).filter(|_| keys.active() == Some(active));
        let Some(expected) = expected else {
            return Err(Stop::Superseded("`active` was put by someone else".to_owned()).into());
        };
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let taken = tokio::select! {
            taken = acknowledged(&mut self.sight, &expected, limit, &mut tell) => taken,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        match taken {
            Taken::Applied { by, lost } => Ok((by, lost)),
            Taken::Refused(why) => Err(Trouble::Refused(why)),
            Taken::TimedOut(waits) => Err(Trouble::Unacknowledged(waits)),
            Taken::Superseded(said) => Err(self.superseded(said).await?.into()),
        }
    }

    pub(super) async fn drain(&mut self) -> Result<(Ended, String), Trouble> {
        let record = self.journal.record();
        let Some(previous) = record.previous.clone() else {
            return Ok((Ended::Skipped, "there is no old release".to_owned()));
        };
        let limit = record.limits.drain;
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let tokens = [previous.token.clone()];
        let left = tokio::select! {
            left = drained(&mut self.sight, &tokens, limit, false, &mut tell) => left,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let stay = self.staying(&previous.token);
        Ok(match left {
            Drained::Empty { .. } if stay.is_some() => {
                let said = stay.map(|stay| stay.text(stay.until)).unwrap_or_default();
                (Ended::Done, format!("all other requests are over; on the old release {said}"))
            }
            Drained::Empty { lost } if lost.is_empty() => {
                (Ended::Done, "no request is left on the old release".to_owned())
            }
            Drained::Empty { lost } => {
                let said = "no live proxy has a request on the old release";
                (Ended::Done, format!("{said}; it stays for {}, lost", join(&lost)))
            }
            Drained::Left(left) => {
                let said = format!("{}; they may go on while it is kept warm", leases(&left));
                (Ended::Skipped, said)
            }
        })
    }

    /// Who stays on the release announced as `token`, if anyone does.
    pub(super) fn staying(&self, token: &Token) -> Option<Stay> {
        Stay::of(&self.sight.fleet, token).filter(|stay| !stay.is_over())
    }

    pub(super) async fn retire(&mut self) -> Result<(Ended, String), Trouble> {
        if self.journal.record().stage == Stage::Preparing {
            return self.make_way().await;
        }
        let replaced = self.journal.record().replaced.clone();
        let tokens: Vec<_> = replaced.into_iter().chain(self.condemn_stopped().await?).collect();
        let mut done = (Ended::Skipped, "nothing was in the slot before".to_owned());
        for token in &tokens {
            let retired = self.retire_one(token).await?;
            let ended = match retired {
                Retired::Gone { .. } => Ended::Done,
                Retired::Kept(_) => Ended::Skipped,
            };
            done = (ended, retired.text());
        }
        Ok(done)
    }

    /// Takes a release that was stopped out of its slot: there is no going back to it. Its token.
    pub(super) async fn condemn_stopped(&mut self) -> Result<Option<Token>, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        let Some(previous) = record.previous.clone().filter(|_| record.holds()) else {
            return Ok(None);
        };
        let slot = AppKey::Slot(previous.slot);
        let there = keys.slot(previous.slot).filter(|kept| is_previous(kept, &previous));
        let idle = keys.active().is_some_and(|active| active.share(previous.slot) == 0);
        let Some(kept) = there.filter(|_| idle) else { return Ok(None) };
        let txn = Txn::new().when(keys.unchanged(&slot)).when(keys.unchanged(&AppKey::Active));
        let txn = displace(txn, &keys, previous.slot, None)?.delete(slot.of(&self.app));
        self.journal.write(|record| record.previous = None, txn).await?;
        Ok(Some(kept.token.clone()))
    }

    pub(super) async fn retire_one(&mut self, token: &Token) -> Result<Retired, Trouble> {
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let reaper = Reaper::of(&self.store, &self.journal, report);
        tokio::select! {
            retired = reaper.retire(&mut self.sight, token, &mut tell) => Ok(retired?),
            stop = self.lookout.stopped() => Err(stop.into()),
        }
    }
}
