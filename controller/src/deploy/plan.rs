//! What a deploy is going to do, before it does anything.

use shunt_config::deploy_file::{self, DeployFile, Host, Strategy, Variable, Worker};
use shunt_config::health::CheckPath;
use shunt_config::key::AppKey;
use shunt_config::pass::PassKey;
use shunt_config::record::{Before, Canary, Deploy, Part, Previous, Stage, Step};
use shunt_config::secret::Secret;
use shunt_config::split::Testers;
use shunt_config::{App, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::engine::image::Reference;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::history::new_id;
use crate::lock::who;
use crate::time::show;
use crate::undo::as_previous;

/// What is deployed: the file, and the image the command line asks for.
#[derive(Clone, Debug)]
pub struct Job {
    /// The deploy file.
    pub file: DeployFile,
    /// The image, as it is asked of the engine.
    pub image: String,
    /// What people call the release.
    pub version: Option<String>,
    /// The variables of its containers.
    pub environment: Vec<(Variable, Secret)>,
    /// What passes to its previews are signed with.
    pub pass_key: Option<PassKey>,
}

impl Job {
    /// The job that `file` describes, with another image or tag if one is given.
    pub fn new(file: DeployFile, image: Option<String>, tag: Option<&str>) -> Self {
        let image = image.unwrap_or_else(|| file.image.clone());
        let image = match tag {
            Some(tag) => Reference::of(&image).with_tag(tag),
            None => image,
        };
        let version = Reference::of(&image).version();
        Self { file, image, version, environment: Vec::new(), pass_key: None }
    }
}

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
        let mut old = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok());
        let workers = !job.file.workers.is_empty() || old.any(|old| !old.workers.is_empty());
        let steps = steps(job, workers, previous.is_some(), keys.slot(slot).is_some());
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
            image: Some(job.image.clone()),
            engines: hosts.iter().map(|host| host.engine.clone()).collect(),
            limits: job.file.limits,
            hooks: job.file.hooks.clone(),
            guard: Some(job.file.guard),
            plan: self.steps,
            steps: Vec::new(),
            stage: Stage::Preparing,
            before: self.before,
            previous: self.previous,
            replaced: None,
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
        // There has to be something to compare with, and to go back to.
        Step::Bake => previous && job.file.limits.bake.is_some(),
        Step::Migrate => hooks.migrate.is_some(),
        Step::WarmUp => job.file.warm_up.is_some(),
        Step::Verify => !hooks.verify.is_empty(),
        Step::Workers => workers,
        // What was stopped is gone for good then.
        Step::Retire => replaced || (previous && strategy == Strategy::Hold),
        _ => true,
    };
    strategy.steps().iter().copied().filter(wanted).collect()
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

/// The app's settings as the file has them, if they differ from the present ones. What the file
/// has no words for stays as it is.
pub(super) fn settings(keys: &AppKeys, job: &Job, slot: Slot) -> Option<App> {
    let mut app = job.file.route.clone()?;
    app.testers = testers(job, slot);
    let present = keys.app.as_ref().and_then(Kept::ok);
    if let Some(present) = present {
        app.health.clone_from(&present.health);
        app.timeouts.clone_from(&present.timeouts);
    }
    (present != Some(&app)).then_some(app)
}

fn workers(all: &[Worker]) -> String {
    let new: Vec<_> = all.iter().map(|w| format!("{} ×{}", w.name, w.replicas)).collect();
    match new.is_empty() {
        true => "the old ones stop".to_owned(),
        false => format!("{} start, then the old ones stop", new.join(", ")),
    }
}

/// The app's present settings, with requests divided as the file says; `None` if they are already.
pub(super) fn divided(keys: &AppKeys, job: &Job, slot: Slot) -> Option<App> {
    let present = keys.app.as_ref().and_then(Kept::ok)?;
    let split = job.file.route.as_ref()?.split;
    let app = App { split, testers: testers(job, slot), ..present.clone() };
    (*present != app).then_some(app)
}

/// The testers, who go to the new release: that of `slot`, while it is tried.
fn testers(job: &Job, slot: Slot) -> Option<Testers> {
    let testers = job.file.route.as_ref()?.testers.clone()?;
    let tried = (job.file.strategy == Strategy::Canary).then_some(slot);
    Some(Testers { slot: testers.slot.or(tried), ..testers })
}

/// What a step is about to do, in words.
pub fn what(step: Step, job: &Job, slot: Slot, previous: Option<&Previous>) -> String {
    let run = &job.file.run;
    let (n, range) = (run.replicas, run.port_range);
    let old =
        previous.and_then(|previous| previous.version.as_deref()).unwrap_or("the old release");
    let hooks = &job.file.hooks;
    match step {
        Step::Pull => job.image.clone(),
        Step::Migrate => hooks.migrate.as_ref().map(ToString::to_string).unwrap_or_default(),
        Step::Verify => {
            let all: Vec<_> = hooks.verify.iter().map(ToString::to_string).collect();
            all.join("; ")
        }
        Step::Start => format!("{n} container(s) on {}, ports {range}", places(run, slot)),
        Step::Check => format!("health of {n} container(s), from here"),
        Step::WarmUp => warm_up(job),
        Step::Announce => format!("as `{slot}` of `{}`", job.file.app),
        Step::Canary => shares(&job.file.canary),
        Step::Flip => format!("`active` to `{slot}`"),
        Step::Prove | Step::Acknowledge => "by every live proxy".to_owned(),
        Step::Hold => "new requests, in every known proxy".to_owned(),
        Step::Drain | Step::Empty => format!("requests on {old}"),
        Step::Stop => old.to_owned(),
        Step::Release => "requests that wait".to_owned(),
        Step::Bake => {
            let bake = show(job.file.limits.bake.unwrap_or_default());
            format!("its figures against those of {old}, for {bake}; ends with this process")
        }
        Step::Workers => workers(&job.file.workers),
        Step::Retire if job.file.strategy == Strategy::Hold => old.to_owned(),
        Step::Retire => "the release that was in the slot before".to_owned(),
    }
}

/// Where `slot`'s containers run, in words.
fn places(run: &deploy_file::Run, slot: Slot) -> String {
    let places = run.hosts.of(slot).iter().map(|host| match host.engine.url.host() {
        Some(_) => host.engine.to_string(),
        None => format!("{}, published on {}", host.engine, host.address),
    });
    match places.collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => format!("this machine, published on {}", run.bind),
        places => places,
    }
}

/// The requests that each container is sent first, in words.
fn warm_up(job: &Job) -> String {
    let Some(wanted) = &job.file.warm_up else { return String::new() };
    let paths: Vec<_> = wanted.paths.iter().map(CheckPath::as_str).collect();
    format!("{} request(s) to each container, from here: {}", wanted.requests, paths.join(" "))
}

/// The shares of a canary, in words.
fn shares(steps: &[Part]) -> String {
    let all: Vec<_> = steps.iter().map(|part| format!("{}%", part.percent)).collect();
    format!("{} of the requests", all.join(", "))
}
