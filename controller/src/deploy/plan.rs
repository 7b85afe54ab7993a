//! What a deploy is going to do, before it does anything.

use shunt_config::deploy_file::{Host, Strategy};
use shunt_config::key::AppKey;
use shunt_config::mirror::Mirror;
use shunt_config::record::{Before, Canary, Deploy, Draining, Previous, Stage, Step};
use shunt_config::{App, Slot};

use super::job::Job;
use super::settings::settings;
use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::history::new_id;
use crate::lock::who;
use crate::undo::as_previous;

/// What a deploy is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The slot the new release goes to.
    pub slot: Slot,
    /// The release that undo will go back to.
    pub previous: Option<Previous>,
    /// The steps.
    pub steps: Vec<Step>,
    /// `active` and `app` as they are.
    pub before: Before,
    /// The app's settings, if the flip is to change them.
    pub app: Option<App>,
    /// The record this deploy's will take the place of.
    earlier: Option<Deploy>,
}

impl Plan {
    /// What `job` means for the app as `keys` show it, and `fleet` serves it.
    pub fn new(keys: &AppKeys, fleet: &Fleet, job: &Job) -> Result<Self, Failure> {
        let name = &keys.name;
        if keys.app.is_none() && job.file.route.is_none() {
            let said = format!("`{name}` has no settings: name its hosts in [route] of the file");
            return Err(Failure::usage(said));
        }
        let slot = standby(keys, fleet)?;
        let previous = keys
            .active()
            .map(shunt_config::Active::main)
            .and_then(|slot| keys.slot(slot).map(|kept| as_previous(slot, kept)));
        if job.file.strategy == Strategy::Hold {
            can_hold(keys, previous.as_ref())?;
        }
        if job.file.mirror.is_some() {
            can_mirror(keys)?;
        }
        let mut old = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok());
        let workers = !job.file.workers.is_empty() || old.any(|old| !old.workers.is_empty());
        let replaced = keys.slot(slot).is_some();
        let mut steps = steps(job, workers, previous.is_some(), replaced);
        if job.file.run.units.is_some() {
            let left = |kept: &Kept<Draining>| kept.ok().is_some_and(|old| old.slot == slot);
            steps = with_units(&steps, replaced || keys.draining.values().any(left));
        }
        let before = Before {
            active: keys.active.as_ref().map(Kept::text),
            app: keys.app.as_ref().map(Kept::text),
        };
        let earlier = keys.record().filter(|record| record.stage == Stage::Warm).cloned();
        let earlier = earlier.map(|record| Deploy { earlier: None, ..record });
        Ok(Self { slot, previous, steps, before, app: settings(keys, job, slot), earlier })
    }

    /// The record of a deploy that is about to begin.
    pub fn record(self, job: &Job, hosts: &[Host]) -> Deploy {
        let canary = self.steps.contains(&Step::Canary);
        Deploy {
            id: new_id(),
            who: who(),
            began: jiff::Timestamp::now(),
            slot: self.slot,
            version: job.version.clone(),
            image: job.image.clone(),
            image_id: job.image_id.clone(),
            engines: hosts.iter().map(|host| host.engine.clone()).collect(),
            secrets: Some(job.secrets.clone()),
            limits: job.file.limits,
            hooks: job.file.hooks.clone(),
            guard: Some(job.file.guard),
            checks: job.file.checks.clone(),
            plan: self.steps,
            steps: Vec::new(),
            stage: Stage::Preparing,
            before: self.before,
            previous: self.previous,
            replaced: None,
            gave_way: None,
            mirrored: None,
            canary: canary.then(|| Canary::new(job.file.canary.clone())),
            undo: None,
            warm_until: None,
            earlier: self.earlier.map(Box::new),
        }
    }
}

/// What is to be done, in order: with `workers` of the new release or of an old one, with a
/// `previous` release, and with one that is `replaced` in its slot, if there are.
fn steps(job: &Job, workers: bool, previous: bool, replaced: bool) -> Vec<Step> {
    let (hooks, strategy) = (&job.file.hooks, job.file.strategy);
    let wanted = |step: &Step| match step {
        Step::Hold | Step::Empty | Step::Stop | Step::Release | Step::Drain => previous,
        Step::Canary => previous && strategy == Strategy::Canary,
        Step::Sessions => previous && waits_for_sessions(job),
        // There has to be something to compare with, and to go back to.
        Step::Bake => previous && job.file.limits.bake.is_some(),
        Step::Migrate => hooks.migrate.is_some(),
        Step::WarmUp => job.file.warm_up.is_some(),
        Step::Verify => !hooks.verify.is_empty(),
        Step::Mirror => job.file.mirror.is_some(),
        Step::Workers => workers,
        // What was stopped is gone for good then.
        Step::Retire => replaced || (previous && strategy == Strategy::Hold),
        _ => true,
    };
    strategy.steps().iter().copied().filter(wanted).collect()
}

/// The same where units run. They have their ports in common with those of the release that was in the
/// slot before: if one is `there`, it is stopped before they start.
fn with_units(steps: &[Step], there: bool) -> Vec<Step> {
    let holds = steps.contains(&Step::Hold);
    let mut all = Vec::new();
    for step in steps {
        // Requests do not wait for it, and what fails before it leaves `undo` as it is.
        if there && *step == (if holds { Step::Hold } else { Step::Start }) {
            all.push(Step::Retire);
        }
        let late = *step == Step::Retire && !holds;
        if *step != Step::Pull && !late {
            all.push(*step);
        }
    }
    all
}

fn waits_for_sessions(job: &Job) -> bool {
    let file = job.file.route.as_ref().and_then(|route| route.sessions.stay());
    job.wait_sessions || file.is_some_and(|stay| stay.wait)
}

/// An error unless requests can be held, and the old release be stopped.
fn can_hold(keys: &AppKeys, previous: Option<&Previous>) -> Result<(), Failure> {
    let app = &keys.name;
    if keys.hold.is_some() {
        let said = format!("`{app}` is held, or in maintenance, already");
        let hint = format!(
            "end that first: `shuntctl release {app}`, or `shuntctl maintenance {app} off`"
        );
        return Err(Failure::usage(said).hint(hint));
    }
    match previous {
        Some(previous) if previous.deploy.is_none() => {
            let said = format!(
                "strategy `hold` has to stop what `{app}` runs in `{}`, and no deploy has started it",
                previous.slot
            );
            Err(Failure::usage(said).hint("use strategy `blue_green`, or stop it by hand"))
        }
        _ => Ok(()),
    }
}

/// An error if requests are copied by someone's own wish: one value is all that there is place for.
fn can_mirror(keys: &AppKeys) -> Result<(), Failure> {
    let by_deploy = |kept: &Kept<Mirror>| kept.ok().is_some_and(|mirror| mirror.deploy.is_some());
    if keys.mirror.as_ref().is_none_or(by_deploy) {
        return Ok(());
    }
    let key = AppKey::Mirror.of(&keys.name);
    let said = format!("requests to `{}` are copied already: `{key}` was put by hand", keys.name);
    Err(Failure::usage(said).hint("delete that key first, or take [mirror] out of the deploy file"))
}

/// The slot that gets no requests.
fn standby(keys: &AppKeys, fleet: &Fleet) -> Result<Slot, Failure> {
    let name = &keys.name;
    match keys.active.as_ref().map(|kept| &kept.value) {
        Some(Ok(active)) => active.only().map(Slot::other).ok_or_else(|| {
            let hint = format!("send all of them to one slot first: `shuntctl flip {name} blue`");
            Failure::usage(format!("both slots of `{name}` get requests ({active})")).hint(hint)
        }),
        Some(Err(mistake)) => {
            let key = AppKey::Active.of(name);
            Err(Failure::usage(format!("`{key}` cannot be read: {mistake}")))
        }
        None => {
            // What the proxies go on with is their last good: an announcement there would be served
            // as soon as it is proved, long before the flip.
            let serves = |slot| Some((slot, fleet.serving(slot)?));
            if let Some((slot, proxy)) = Slot::BOTH.into_iter().find_map(serves) {
                let active = AppKey::Active.of(name);
                let said = format!("`{active}` is missing, and {proxy} goes on with `{slot}`");
                let hint = format!("put it back first: `shuntctl flip {name} {slot}`");
                return Err(Failure::usage(said).hint(hint));
            }
            Ok(Slot::BOTH.into_iter().find(|s| keys.slot(*s).is_none()).unwrap_or(Slot::Blue))
        }
    }
}
