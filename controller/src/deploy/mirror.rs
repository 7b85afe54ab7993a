//! The step in which the new release gets copies of what the old one is asked, and its answers are dropped
//! and compared: a release that is clearly worse never gets a visitor.

use std::time::Duration;

use serde_json::json;
use shunt_config::deploy_file::Mirroring;
use shunt_config::key::AppKey;
use shunt_config::mirror::{MAX_LASTS, Mirror};
use shunt_config::record::Compared;
use shunt_config::store::Txn;

use super::bake::Broken;
use super::job::Job;
use super::lives::Lives;
use super::run::Run;
use super::trial::Trial;
use super::trouble::Trouble;
use crate::ack::{Taken, acknowledged, applied};
use crate::app_keys::{AppKeys, Kept};
use crate::checks::Checks;
use crate::exit::{Exit, Failure};
use crate::expected::Expected;
use crate::fleet::Fleet;
use crate::judge::Finding;
use crate::mirror::{Asked, copies, text};
use crate::report::Ended;
use crate::sight::Waited;
use crate::stop::Stop;
use crate::time::show;

/// What else may take its time while requests are copied. Should nobody come to end that, it ends by
/// itself.
const MARGIN: Duration = Duration::from_secs(30);

/// What a proxy takes to give an answer up, and to say so.
const TOLD: Duration = Duration::from_secs(1);

impl Run<'_> {
    pub(super) async fn mirror(&mut self, job: &Job) -> Result<(Ended, String), Trouble> {
        let Some(wanted) = &job.file.mirror else {
            return Ok((Ended::Skipped, "nothing is asked for".to_owned()));
        };
        if self.journal.record().previous.is_none() {
            let said = "there is no old release whose requests could be copied";
            return Ok((Ended::Skipped, said.to_owned()));
        }
        // Where copies are few, for as long again. They may be few because none is answered, and count
        // only when the proxies give them up.
        let defaults = self.settings.as_ref().map(|app| app.timeouts.clone()).unwrap_or_default();
        let response = job.file.timeouts.over(&defaults).response;
        let more = wanted.lasts.max(response.saturating_add(TOLD));
        let (asked, expected) = self.put_mirror(wanted, more).await?;
        let lives = self.lives();
        self.copied_by_all(wanted, &asked, &lives).await?;
        let keys = self.journal.refresh().await?;
        let mut checks = self.ask_checks(&keys, &asked.release);
        // No visitor is on it.
        checks.share(0);
        let mut trial = Trial::new(wanted, self.journal.record().guard, asked, expected);
        let watched = self.watch_copies(&mut trial, &mut checks, more, &lives).await;
        let compared = Compared::of(wanted.percent, &trial.counts);
        match watched {
            Ok(()) => {
                let none = checks.unanswered();
                // Nothing more is asked from here on.
                drop(checks);
                self.end_mirror(&compared).await?;
                let few = compared.new.requests < wanted.requests;
                let said = match none.is_empty() {
                    true => text(&compared),
                    false => format!("{}; {none}", text(&compared)),
                };
                Ok(match few {
                    true => {
                        let least = copies(wanted.requests);
                        (Ended::Skipped, format!("too few to judge by, of {least}: {said}"))
                    }
                    false => (Ended::Done, said),
                })
            }
            Err(Trouble::Found(finding)) => {
                drop(checks);
                self.end_mirror(&compared).await?;
                let mut details = vec![text(&compared)];
                if let Finding::Ended(_, last) = &finding {
                    details.extend(last.iter().cloned());
                }
                let said = format!("the new release does not stand copies of requests: {finding}");
                Err(Trouble::Unhealthy(said, details))
            }
            Err(stopped) => Err(stopped),
        }
    }

    /// Asks the proxies for copies of requests; what was asked, and what they are to serve meanwhile.
    async fn put_mirror(
        &mut self,
        wanted: &Mirroring,
        more: Duration,
    ) -> Result<(Asked, Expected), Trouble> {
        let keys = self.journal.refresh().await?;
        self.unchanged(&keys)?;
        let by_hand = |kept: &Kept<Mirror>| kept.ok().is_none_or(|found| found.deploy.is_none());
        if keys.mirror.as_ref().is_some_and(by_hand) {
            let said = "`mirror` was put by someone else";
            return Err(Stop::Superseded(said.to_owned()).into());
        }
        let Some(expected) = Expected::of(&keys) else {
            let said = "`active`, or the slot it names, was deleted or cannot be read";
            return Err(Stop::Superseded(said.to_owned()).into());
        };
        let Some(release) = self.announced().cloned() else {
            return Err(Trouble::Store("nothing was announced".to_owned()));
        };
        let record = self.journal.record();
        let slot = record.slot;
        // Each proxy counts from when it has heard of it.
        let lasts = wanted.lasts.saturating_add(more).saturating_add(record.limits.flip);
        let spec = Mirror {
            slot,
            percent: Some(wanted.percent),
            lasts: Some(lasts.saturating_add(MARGIN).min(MAX_LASTS)),
            deploy: Some(record.id.clone()),
        };
        let value = serde_json::to_vec(&spec).map_err(|e| Trouble::Store(e.to_string()))?;
        let key = AppKey::Mirror.of(&self.app);
        let txn = Txn::new()
            .when(keys.unchanged(&AppKey::Mirror))
            .when(keys.unchanged(&AppKey::Active))
            .when(keys.unchanged(&AppKey::Slot(slot)))
            .put(&key, value);
        let tokens = self.journal.write(|_| {}, txn).await?;
        let token = tokens.get(&key.to_string()).cloned();
        let mirror = token.ok_or_else(|| Trouble::Store(format!("no token for {key}")))?;
        Ok((Asked { mirror, slot, release }, expected))
    }

    /// Waits until every live proxy copies.
    async fn copied_by_all(
        &mut self,
        wanted: &Mirroring,
        asked: &Asked,
        lives: &Lives,
    ) -> Result<(), Trouble> {
        let (report, limit) = (self.report, self.journal.record().limits.flip);
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let taken = tokio::select! {
            taken = acknowledged(&mut self.sight, asked, limit, &mut tell) => taken,
            found = lives.ended() => return Err(not_healthy(&found)),
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        match taken {
            Taken::Applied { by, lost } => {
                let (percent, slot) = (wanted.percent, asked.slot);
                let said = format!("{percent}% of GET requests to `{slot}` as well");
                let event = json!({ "slot": slot, "percent": percent, "for": show(wanted.lasts) });
                report.event("mirror", event);
                report.line(&format!("  →  mirror       {said}, {}", applied(by, &lost)));
                Ok(())
            }
            Taken::Refused(why) => Err(Trouble::Refused(why)),
            Taken::TimedOut(waits) => {
                let said = format!("requests are not copied in time: {waits}");
                let hint = "nothing was flipped; a proxy of an earlier version copies none";
                Err(Failure::new(Exit::Unacknowledged, said).hint(hint).into())
            }
            Taken::Superseded(said) => Err(self.superseded(said).await?.into()),
        }
    }

    /// Watches what copies come to, and what `checks` say, until the time is over, and then until there
    /// are enough of them, or for `more` time.
    async fn watch_copies(
        &mut self,
        trial: &mut Trial,
        checks: &mut Checks<'_>,
        more: Duration,
        lives: &Lives,
    ) -> Result<(), Trouble> {
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let (lasts, requests) = (trial.wanted.lasts, trial.wanted.requests);
        // To the moment, not to the next second.
        for (enough, limit) in [(None, lasts), (Some(requests), more)] {
            let look = |keys: &AppKeys, fleet: &Fleet| trial.look(keys, fleet, enough, report);
            let waited = tokio::select! {
                waited = self.sight.wait(limit, &mut tell, look) => waited,
                broken = checks.broken() => return Err(Trouble::Found(Finding::Check(broken))),
                found = lives.ended() => return Err(Trouble::Found(found)),
                stop = self.lookout.stopped() => return Err(stop.into()),
            };
            match waited {
                Ok(Waited::Done(())) => return Ok(()),
                Ok(Waited::TimedOut(_)) if trial.has(requests) => return Ok(()),
                Ok(Waited::TimedOut(_)) => {}
                Err(Broken::Found(finding)) => return Err(Trouble::Found(finding)),
                Err(Broken::Superseded(said)) => return Err(self.superseded(said).await?.into()),
            }
        }
        Ok(())
    }

    /// Ends the copies, and writes down what they came to.
    async fn end_mirror(&mut self, compared: &Compared) -> Result<(), Trouble> {
        let keys = self.journal.refresh().await?;
        let txn = self.unmirror(Txn::new(), &keys);
        self.journal.write(|record| record.mirrored = Some(compared.clone()), txn).await?;
        self.report.event("mirrored", json!({ "counts": compared }));
        Ok(())
    }

    /// Adds to `txn` that nothing is copied for this deploy any more.
    pub(super) fn unmirror(&self, txn: Txn, keys: &AppKeys) -> Txn {
        let found = keys.mirror.as_ref().and_then(Kept::ok);
        match found.is_some_and(|found| found.deploy.as_ref() == Some(&self.journal.record().id)) {
            true => txn.when(keys.unchanged(&AppKey::Mirror)).delete(AppKey::Mirror.of(&self.app)),
            false => txn,
        }
    }
}

/// It ended before anything was copied.
fn not_healthy(found: &Finding) -> Trouble {
    let details = match found {
        Finding::Ended(_, last) => last.clone(),
        _ => Vec::new(),
    };
    Trouble::Unhealthy(found.to_string(), details)
}
