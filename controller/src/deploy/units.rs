//! Units: they have fixed ports, so what ran on these has to make way for the new release before it starts.

use shunt_config::deploy_file::{Settings, Units, Variable};
use shunt_config::key::AppKey;
use shunt_config::secret::Secret;
use shunt_config::store::Txn;

use super::host::{Host, Replica};
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::announce::displace;
use crate::engine::{EngineError, Spec, label};
use crate::exit::{Exit, Failure};
use crate::fence::NotDone;
use crate::report::Ended;
use crate::retire::{Reaper, Retired};
use crate::undo::as_previous;

impl Run<'_> {
    /// Starts the units of `host`, the `nth` of all.
    pub(super) async fn start_units(
        &self,
        host: &Host,
        nth: usize,
        job: &Job,
        units: &Units,
    ) -> Result<Vec<Replica>, Trouble> {
        let record = self.journal.record();
        let (id, slot, store) = (&record.id, record.slot, &self.sight.keys.store);
        let ports = units.ports(slot);
        let mut started = Vec::new();
        // One after the other: each makes its systemd read its files again.
        for (number, port) in (nth * ports.len()..).zip(ports) {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let spec = Spec {
                name: units.unit(&self.app, slot, *port),
                image: String::new(),
                labels: label::of_replica(&self.app, store, slot, id, number, *port),
                publish: None,
                settings: Settings::default(),
                environment: self.variables_of_unit(job, *port)?,
                grace: record.limits.stop,
            };
            let container = match self.journal.fence().act(host.engine.start(&spec)).await {
                // It answers: what it says is about this release.
                Err(NotDone::Engine(EngineError::Refused { reason, .. })) => {
                    let (name, engine) = (&spec.name, host.engine.name());
                    let said = format!("unit {name} does not start on {engine}");
                    return Err(Trouble::Unhealthy(said, vec![reason]));
                }
                started => started?,
            };
            started.push(host.replica(container, *port));
        }
        Ok(started)
    }

    /// The variables of the deploy file, and what each unit is told of its release.
    fn variables_of_unit(&self, job: &Job, port: u16) -> Result<Vec<(Variable, Secret)>, Failure> {
        let record = self.journal.record();
        let told = [
            ("PORT", port.to_string()),
            ("SHUNT_APP", self.app.to_string()),
            ("SHUNT_SLOT", record.slot.to_string()),
            ("SHUNT_VERSION", record.version.clone().unwrap_or_default()),
            ("SHUNT_DEPLOY", record.id.clone()),
        ];
        let mut all = job.environment.clone();
        all.retain(|(name, _)| !told.iter().any(|(own, _)| name.as_str() == *own));
        for (name, value) in told {
            let name = name.parse().map_err(|mistake| Failure::usage(format!("{mistake}")))?;
            all.push((name, Secret::new(value)));
        }
        Ok(all)
    }

    /// Stops what was in the slot before, or is left of it: the new release needs its ports. `undo` does
    /// not go back to it from here on.
    pub(super) async fn make_way(&mut self) -> Result<(Ended, String), Trouble> {
        let keys = self.journal.refresh().await?;
        self.unchanged(&keys)?;
        let slot = self.journal.record().slot;
        if let Some(kept) = keys.slot(slot) {
            let reaper = Reaper::of(&self.store, &self.journal, self.report);
            if let Some(why) = reaper.doubt(&keys).await? {
                return Err(in_the_way(&why).into());
            }
            let old = as_previous(slot, kept);
            let key = AppKey::Slot(slot);
            let txn = Txn::new().when(keys.unchanged(&key)).when(keys.unchanged(&AppKey::Active));
            let txn = displace(txn, &keys, slot, None)?.delete(key.of(&self.app));
            let change = |record: &mut shunt_config::record::Deploy| {
                // Should this deploy be taken back, `undo` has nothing to go back to.
                record.earlier = None;
                record.gave_way = Some(old);
            };
            self.journal.write(change, txn).await?;
        }
        let keys = self.journal.refresh().await?;
        let left =
            keys.draining.iter().filter(|(_, kept)| kept.ok().is_some_and(|d| d.slot == slot));
        let mut done = (Ended::Skipped, "nothing is in the way".to_owned());
        for (token, _) in left {
            done = match self.retire_one(token).await? {
                Retired::Kept(why) => return Err(in_the_way(&why).into()),
                gone @ Retired::Gone { .. } => (Ended::Done, gone.text()),
            };
        }
        Ok(done)
    }
}

/// What has to be stopped may not be.
fn in_the_way(why: &str) -> Failure {
    let said = format!("the release that runs on these ports may not be stopped yet: {why}");
    Failure::new(Exit::Unacknowledged, said).hint(
        "`shuntctl status` shows what each proxy serves; `shuntctl proxy forget NAME` forgets one that \
         will not come back",
    )
}
