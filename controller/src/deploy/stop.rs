//! The step in which the old release is stopped, and how it serves again on the way back: for releases that
//! must not run side by side.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use shunt_config::engine::EngineUrl;
use shunt_config::health::Check;
use shunt_config::hold::Then;
use shunt_config::{Active, Health, Release, Slot, Token};
use tokio::time::{Instant, sleep};

use super::engines::Reached;
use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{Life, label};
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::probe::{Down, probe};
use crate::sight::{Look, Waited};
use crate::time::show;
use crate::vanished::{place, target};

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

    /// Waits until what is active is healthy, as asked from here if it can be, and every live proxy has proved
    /// it. What is on the `silent` engines is waited for only where nothing else would serve.
    pub(super) async fn served_again(&mut self, silent: &[EngineUrl]) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.journal.record().limits.health;
        let keys = self.journal.refresh().await?;
        let active: Vec<(Token, Release)> = active(&keys)
            .filter_map(|kept| Some((kept.token.clone(), kept.ok()?.clone())))
            .map(|(token, release)| (token, self.awaited(release, silent)))
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
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        // What is out of reach from here is the proxies' to say, once they would have noticed.
        let noticed = deadline.min(Instant::now() + unseen);
        let look = |_: &AppKeys, _: &Fleet| {
            let left = show(noticed.saturating_duration_since(Instant::now()));
            let text = format!("out of reach from here: the proxies would have noticed in {left}");
            Ok::<_, Infallible>(Look::<()>::Wait("noticed".to_owned(), text))
        };
        if !unseen.is_zero() {
            let left = noticed.saturating_duration_since(Instant::now());
            let _ = self.sight.wait(left, &mut tell, look).await;
        }
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

    /// `release` with those of its targets that are waited for.
    fn awaited(&self, release: Release, silent: &[EngineUrl]) -> Release {
        let among = |urls: &[EngineUrl]| {
            let replicas = u16::try_from(release.targets.len()).unwrap_or(u16::MAX);
            let elsewhere = |number: &u16| {
                let engine = release.engines.get(place(&release, *number));
                engine.is_none_or(|engine| !urls.contains(&engine.url))
            };
            let targets = (0..replicas).filter(elsewhere);
            targets.filter_map(|number| target(&release, number).cloned()).collect::<Vec<_>>()
        };
        if release.engines.is_empty() {
            return release;
        }
        // Where an engine is silent, what it runs may serve all the same; where it is given up, not.
        let answering = among(&[silent, &self.forgotten].concat());
        let targets = if answering.is_empty() { among(&self.forgotten) } else { answering };
        Release { targets, ..release }
    }

    /// Stops what runs of the app and was there before this deploy; how many containers.
    async fn stop_others(&mut self) -> Result<usize, Trouble> {
        let keys = self.journal.refresh().await?;
        let (grace, fence) = (self.journal.record().limits.stop, self.journal.fence());
        let deploys = deploys(&keys, None);
        let Reached { answered, silent } = self.reach(&keys).await;
        if let Some((_, error)) = silent.into_iter().next() {
            return Err(error.into());
        }
        let mut stopped = 0;
        for (engine, others) in answered {
            for container in others {
                let id = container.labels.get(label::DEPLOY);
                let held = self.journal.held();
                let older = |id: &String| held.is_older(id) || deploys.contains(id);
                if container.life != Life::Over && id.is_none_or(older) {
                    fence.act(engine.halt(&container.id, grace)).await?;
                    stopped += 1;
                }
            }
        }
        Ok(stopped)
    }
}

/// What gets requests.
pub(super) fn active(keys: &AppKeys) -> impl Iterator<Item = &Kept<Release>> {
    let shares = keys.active().into_iter().flat_map(Active::shares);
    shares.filter_map(|(slot, _)| keys.slot(slot))
}

/// The deploys of releases that are in a slot, or will be put back into one.
pub(super) fn deploys(keys: &AppKeys, replaced: Option<&Token>) -> BTreeSet<String> {
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
