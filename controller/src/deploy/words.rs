//! What each step is about to do, in words.

use shunt_config::Slot;
use shunt_config::deploy_file::{self, Strategy, Worker};
use shunt_config::health::CheckPath;
use shunt_config::record::{Part, Previous, Step};

use super::hold::FAREWELL;
use super::job::Job;
use crate::time::show;

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
        Step::Mirror => mirrored(job, slot, previous),
        Step::Flip => format!("`active` to `{slot}`"),
        Step::Prove | Step::Acknowledge => "by every live proxy".to_owned(),
        Step::Hold => "new requests, in every known proxy".to_owned(),
        Step::Drain => format!("requests on {old}"),
        Step::Empty => {
            let (drain, more) = (show(job.file.limits.drain), show(FAREWELL));
            format!("requests on {old}, for {drain} at most, and {more} for its WebSockets' goodbye")
        }
        Step::Sessions => format!("visitors of {old}"),
        Step::Stop => format!("{old}, and whatever else of the app still runs"),
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

/// Which requests are copied, in words.
fn mirrored(job: &Job, slot: Slot, previous: Option<&Previous>) -> String {
    let Some(wanted) = job.file.mirror.as_ref().filter(|_| previous.is_some()) else {
        return "nothing: there is no old release whose requests could be copied".to_owned();
    };
    let (percent, lasts) = (wanted.percent, show(wanted.lasts));
    let least = match wanted.requests {
        0 => String::new(),
        n => format!(", {n} of them at least"),
    };
    let only = if wanted.judge { "" } else { "; only shown, not judged" };
    let asked = asked(job);
    format!("{percent}% of GET requests to `{slot}` as well, for {lasts}{least}{only}{asked}")
}

/// The shares of a canary, in words.
fn shares(steps: &[Part]) -> String {
    let all: Vec<_> = steps.iter().map(|part| format!("{}%", part.percent)).collect();
    format!("{} of the requests", all.join(", "))
}

fn workers(all: &[Worker]) -> String {
    let new: Vec<_> = all.iter().map(|w| format!("{} ×{}", w.name, w.replicas)).collect();
    match new.is_empty() {
        true => "the old ones stop".to_owned(),
        false => format!("{} start, then the old ones stop", new.join(", ")),
    }
}
