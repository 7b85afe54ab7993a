//! What a deploy is going to do, before it does anything.

use shunt_config::deploy_file::{self, DeployFile, Host, Strategy, Variable, Worker};
use shunt_config::health::CheckPath;
use shunt_config::key::AppKey;
use shunt_config::pass::PassKey;
use shunt_config::record::{Before, Canary, Deploy, Draining, Part, Previous, Stage, Step};
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
    /// The image, as it is asked of the engine; `None` where units run.
    pub image: Option<String>,
    /// What people call the release.
    pub version: Option<String>,
    /// The variables of its containers.
    pub environment: Vec<(Variable, Secret)>,
    /// Whether it waits for visitors who stay on the old release, whatever the file says.
    pub wait_sessions: bool,
    /// What passes to its previews are signed with.
    pub pass_key: Option<PassKey>,
}

impl Job {
    /// The job that `file` describes, with another image or tag if one is given.
    pub fn new(
        file: DeployFile,
        image: Option<String>,
        tag: Option<&str>,
    ) -> Result<Self, Failure> {
        if file.run.units.is_some() {
            return Self::of_units(file, image, tag);
        }
        let image = image.or_else(|| file.image.clone()).unwrap_or_default();
        let image = match tag {
            Some(tag) => Reference::of(&image).with_tag(tag),
            None => image,
        };
        let version = Reference::of(&image).version();
        Ok(Self {
            file,
            image: Some(image),
            version,
            environment: Vec::new(),
            wait_sessions: false,
            pass_key: None,
        })
    }

    fn of_units(
        file: DeployFile,
        image: Option<String>,
        tag: Option<&str>,
    ) -> Result<Self, Failure> {
        let way =
            "name the release: `shuntctl deploy --tag 1.1`; the units are told as SHUNT_VERSION";
        if let Some(image) = image {
            return Err(Failure::usage(format!("units run no image, such as {image}")).hint(way));
        }
        let Some(tag) = tag else {
            return Err(Failure::usage("which release the units are to run is not said").hint(way));
        };
        // It may end up in paths and commands of the units.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
        if tag.is_empty()
            || tag.len() > 128
            || tag.starts_with(['.', '-'])
            || !tag.bytes().all(plain)
        {
            let shown = shunt_config::strict::short(tag);
            let said = format!("`{shown}` names no release of units");
            return Err(Failure::usage(said).hint("it has letters, digits and `._+-`"));
        }
        Ok(Self {
            file,
            image: None,
            version: Some(tag.to_owned()),
            environment: Vec::new(),
            wait_sessions: false,
            pass_key: None,
        })
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
            engines: hosts.iter().map(|host| host.engine.clone()).collect(),
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
        Step::Pull => job.image.clone().unwrap_or_default(),
        Step::Migrate => hooks.migrate.as_ref().map(ToString::to_string).unwrap_or_default(),
        Step::Verify => {
            let all: Vec<_> = hooks.verify.iter().map(ToString::to_string).collect();
            all.join("; ")
        }
        Step::Start => match &run.units {
            None => format!("{n} container(s) on {}, ports {range}", places(run, slot)),
            Some(units) => {
                let name = |port: &u16| units.unit(&job.file.app, slot, *port);
                let names: Vec<_> = units.ports(slot).iter().map(name).collect();
                format!("{} on {}", names.join(" "), places(run, slot))
            }
        },
        Step::Check => match &run.units {
            None => format!("health of {n} container(s), from here"),
            Some(_) => "health of each unit, from here".to_owned(),
        },
        Step::WarmUp => warm_up(job),
        Step::Announce => format!("as `{slot}` of `{}`", job.file.app),
        Step::Canary => format!("{}{}", shares(&job.file.canary), asked(job)),
        Step::Flip => format!("`active` to `{slot}`"),
        Step::Prove | Step::Acknowledge => "by every live proxy".to_owned(),
        Step::Hold => "new requests, in every known proxy".to_owned(),
        Step::Drain | Step::Empty => format!("requests on {old}"),
        Step::Sessions => format!("visitors of {old}"),
        Step::Stop => old.to_owned(),
        Step::Release => "requests that wait".to_owned(),
        Step::Bake => {
            let bake = show(job.file.limits.bake.unwrap_or_default());
            let asked = asked(job);
            format!("its figures against those of {old}, for {bake}{asked}; ends with this process")
        }
        Step::Workers => workers(&job.file.workers),
        Step::Retire if run.units.is_some() && job.file.strategy != Strategy::Hold => {
            "the release that was in the slot before, whose ports are needed: no `undo` goes back to it \
             from here on"
                .to_owned()
        }
        Step::Retire if run.units.is_some() => {
            format!("{old}; before anything is held, what has the ports that are needed")
        }
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

/// What else is asked while the release is watched, in words.
fn asked(job: &Job) -> String {
    let names: Vec<_> = job.file.checks.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(", and the checks {}", names.join(", ")),
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
