//! The steps in which the release is put into its slot, and the proxies prove it there.

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Stage};
use shunt_config::{App, Release, Target};

use super::check::{ended, last_lines};
use super::exposure::Exposure;
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::announce::announce;
use crate::app_keys::{AppKeys, Kept};
use crate::prove::{Proved, proved};
use crate::stay::may_stay;
use crate::stop::Stop;

impl Run<'_> {
    pub(super) async fn announce(&mut self, job: &Job) -> Result<String, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        let slot = record.slot;
        self.unchanged(&keys)?;
        let release = Release {
            version: record.version.clone(),
            image: record.image.clone(),
            protocol: job.file.run.protocol,
            targets: self.replicas.iter().map(|r| Target::new(r.address.clone())).collect(),
            health: job.file.health.clone(),
            timeouts: job.file.timeouts.clone(),
            deploy: Some(record.id.clone()),
            engines: record.engines.clone(),
            by: Some(record.who.user.clone()),
            at: Some(Timestamp::now()),
            workers: job.file.workers.iter().map(|w| (w.name.clone(), w.replicas)).collect(),
            ..Release::default()
        };
        let stays = may_stay(&keys, &self.sight.fleet, slot);
        let (mut txn, replaced) = announce(&keys, slot, &release, stays)?;
        let changed = settings(&keys, job);
        if let Some(app) = &changed {
            let value = serde_json::to_vec(app).map_err(|e| Trouble::Store(e.to_string()))?;
            txn = txn.when(keys.unchanged(&AppKey::App)).put(AppKey::App.of(&self.app), value);
        }
        let change = |record: &mut Deploy| {
            record.stage = Stage::Announced;
            record.replaced = replaced;
        };
        let tokens = self.journal.write(change, txn).await?;
        let key = AppKey::Slot(slot).of(&self.app).to_string();
        let token =
            tokens.get(&key).cloned().ok_or(Trouble::Store(format!("no token for {key}")))?;
        let said = format!("{} target(s) in `{slot}`", release.targets.len());
        self.announced = Some((token, release));
        self.settings = changed.or_else(|| keys.app.as_ref().and_then(Kept::ok).cloned());
        // The transaction has compared `active` as it stands in these keys.
        self.exposure = Exposure::Announced(keys.active.map(|kept| kept.token));
        Ok(said)
    }

    /// Someone who changed `active` or the slot meanwhile had a reason that this deploy does not know.
    pub(super) fn unchanged(&self, keys: &AppKeys) -> Result<(), Stop> {
        let record = self.journal.record();
        if let Some(who) = record.undo.clone() {
            return Err(Stop::Undo(who));
        }
        let same = match &self.active {
            Some(own) => keys.active.as_ref().map(|kept| &kept.token) == Some(own),
            None => keys.active.as_ref().map(Kept::text) == record.before.active,
        };
        if !same {
            let said = "`active` was put by someone else since the deploy began";
            return Err(Stop::Superseded(said.to_owned()));
        }
        let slot = record.slot;
        match self.announced() {
            Some(own) if keys.slot(slot).map(|kept| &kept.token) != Some(own) => {
                Err(Stop::Superseded(format!("`{slot}` was put by someone else")))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn prove(&mut self, job: &Job) -> Result<String, Trouble> {
        let Some((token, release)) = self.announced.clone() else {
            return Err(Trouble::Store("nothing was announced".to_owned()));
        };
        let (slot, limit, report) =
            (self.journal.record().slot, job.file.limits.health, self.report);
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let proof = tokio::select! {
            proof = proved(&mut self.sight, slot, &token, &release, limit, &mut tell) => proof,
            said = ended(&self.replicas) => Proved::Unhealthy(said, Vec::new()),
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        match proof {
            Proved::Healthy(by) => Ok(format!("{} target(s), by {by}", release.targets.len())),
            Proved::Superseded => {
                Err(Stop::Superseded(format!("`{slot}` was put again by someone else")).into())
            }
            Proved::Refused(said) => Err(Trouble::Unhealthy(said, Vec::new())),
            Proved::Unhealthy(said, mut details) => {
                for replica in &self.replicas {
                    details.extend(last_lines(replica).await);
                }
                Err(Trouble::Unhealthy(said, details))
            }
        }
    }
}

/// The app's settings as they have to be before the flip, if they are not already.
fn settings(keys: &AppKeys, job: &Job) -> Option<App> {
    let route = job.file.route.as_ref()?;
    match &keys.app {
        // Without its settings no proxy would look at the app, and nothing could be proved. They
        // change no traffic: until the flip there is nothing they could send requests to.
        None => Some(route.clone()),
        // Who looks at the release beforehand has to reach it.
        Some(kept) => {
            let present = kept.ok().filter(|present| present.preview != route.preview)?;
            let app = App { preview: route.preview.clone(), ..present.clone() };
            app.validate().is_ok().then_some(app)
        }
    }
}
