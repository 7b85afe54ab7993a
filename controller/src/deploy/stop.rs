//! The step in which the old release is stopped, and the way back to it: for releases that must not run
//! side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use shunt_config::health::Check;
use shunt_config::hold::Then;
use shunt_config::{Active, Health, Release, Slot, Token};
use tokio::time::{Instant, sleep};

use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{self, Container, Engine, EngineError, label};
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::keeping::named;
use crate::probe::{Down, probe};
use crate::sight::{Look, Waited};

/// How often a target is looked at while its health is waited for.
const LOOK: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// The old release is stopped. From here on nothing may be let through by time alone: it would meet
    /// a release that is stopped, or what is made ready half.
    pub(super) async fn stop(&mut self) -> Result<String, Trouble> {
        let limits = self.journal.record().limits;
        let token = self.put_hold(Then::Refuse, limits.hold).await?;
        self.held_by_all(&token, limits.drain, true).await?;
        let stopped = self.stop_others().await?;
        Ok(format!("{stopped} container(s) stopped, to be started again if need be"))
    }

    /// Stops what runs of this deploy, and starts again what a key names of the others: the way back to a
    /// release that must not run beside this one.
    pub(super) async fn wake_others(&mut self) -> Result<(), Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record().clone();
        let deploys = deploys(&keys, record.replaced.as_ref());
        let engines = self.engines(&keys).await?;
        for engine in &engines {
            for container in engine.list(&label::of_deploy(&self.app, &record.id)).await? {
                engine.halt(&container.id, record.limits.stop).await?;
            }
        }
        for engine in &engines {
            for container in self.others(&**engine, &keys).await? {
                let again =
                    container.labels.get(label::DEPLOY).is_some_and(|id| deploys.contains(id));
                // Workers follow what is active, in the end.
                if again && !label::is_worker(&container) {
                    engine.wake(&container.id).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until what is active is healthy, as asked from here if it can be, and every live proxy has proved it.
    pub(super) async fn served_again(&mut self) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.journal.record().limits.health;
        let keys = self.journal.refresh().await?;
        let active: Vec<(Token, Release)> = active(&keys)
            .filter_map(|kept| Some((kept.token.clone(), kept.ok()?.clone())))
            .collect();
        let defaults = keys.app.as_ref().and_then(Kept::ok);
        let defaults = defaults.map_or_else(Health::default, |app| app.health.clone());
        // A proxy finds out by its own checks only, and may not have noticed that it was away.
        let mut unseen = Duration::ZERO;
        for (_, release) in &active {
            let check = release.health.over(&defaults);
            if !self.answers_again(release, &check, deadline).await? {
                unseen = unseen.max(check.interval * check.fall + check.timeout);
            }
        }
        // What is out of reach from here is the proxies' to say, once they would have noticed.
        sleep(unseen.min(deadline.saturating_duration_since(Instant::now()))).await;
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let look = |_: &AppKeys, fleet: &Fleet| {
            let all = active.iter().flat_map(|(token, release)| fleet.unproved(token, release));
            Ok::<_, Infallible>(match all.into_iter().next() {
                None => Look::Done(()),
                Some((proxy, target, last)) => {
                    let key = format!("{proxy} {target}");
                    Look::Wait(key, format!("{target} from {proxy}: {last}"))
                }
            })
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match self.sight.wait(left, &mut tell, look).await {
            Ok(Waited::Done(())) => Ok(()),
            Ok(Waited::TimedOut(waits)) => Err(not_again(&waits)),
            Err(never) => match never {},
        }
    }

    /// Waits until each target of `release` is healthy, as asked from here; `false` if it runs on other
    /// machines and one of them cannot be reached from here.
    async fn answers_again(
        &self,
        release: &Release,
        check: &Check,
        deadline: Instant,
    ) -> Result<bool, Trouble> {
        let elsewhere = release.engines.iter().any(|engine| engine.url.host().is_some());
        for target in &release.targets {
            let address = target.address.to_string();
            while let Err(down) = probe(&target.address, release.protocol, check).await {
                if elsewhere && matches!(down, Down::OutOfReach(_)) {
                    return Ok(false);
                }
                if Instant::now() >= deadline {
                    return Err(not_again(&format!("{address}: {down}")));
                }
                self.report.progress(&address, &format!("{address}: {down}"));
                sleep(LOOK).await;
            }
        }
        Ok(true)
    }

    /// Stops what runs of the app and is not this deploy's; how many containers.
    async fn stop_others(&mut self) -> Result<usize, Trouble> {
        let keys = self.journal.refresh().await?;
        let grace = self.journal.record().limits.stop;
        let mut stopped = 0;
        for engine in self.engines(&keys).await? {
            for container in self.others(&*engine, &keys).await? {
                if container.running {
                    engine.halt(&container.id, grace).await?;
                    stopped += 1;
                }
            }
        }
        Ok(stopped)
    }

    /// Containers of the app that are not this deploy's.
    async fn others(
        &self,
        engine: &dyn Engine,
        keys: &AppKeys,
    ) -> Result<Vec<Container>, EngineError> {
        let own = &self.journal.record().id;
        let mut all = engine.list(&label::of_app(&self.app, &keys.store)).await?;
        all.retain(|container| container.labels.get(label::DEPLOY) != Some(own));
        Ok(all)
    }

    /// The engines that releases of the app run on.
    async fn engines(&self, keys: &AppKeys) -> Result<Vec<Arc<dyn Engine>>, Trouble> {
        let own = self.journal.record().engines.iter().cloned();
        let all: BTreeMap<_, _> = named(keys).chain(own).map(|e| (e.url.clone(), e)).collect();
        let mut engines = Vec::new();
        for engine in all.values() {
            engines.push(engine::open(engine).await?);
        }
        Ok(engines)
    }
}

/// What gets requests.
fn active(keys: &AppKeys) -> impl Iterator<Item = &Kept<Release>> {
    let shares = keys.active().into_iter().flat_map(Active::shares);
    shares.filter_map(|(slot, _)| keys.slot(slot))
}

/// The deploys of releases that are in a slot, or will be put back into one.
fn deploys(keys: &AppKeys, replaced: Option<&Token>) -> BTreeSet<String> {
    let slots = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok()?.deploy.clone());
    let replaced = replaced.and_then(|token| keys.draining.get(token)?.ok()?.release()?.deploy);
    slots.chain(replaced).collect()
}

fn not_again(waits: &str) -> Trouble {
    let said = format!("the old release was started again and is not healthy: {waits}");
    Failure::new(Exit::Unhealthy, said).into()
}

#[cfg(test)]
mod tests;
