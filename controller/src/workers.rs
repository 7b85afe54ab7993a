//! Workers: a release's containers that get no requests. Those of the release that is active run; those
//! of a release that is kept warm are stopped, and still there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::deploy_file::{Restart, Settings, Variable, Worker};
use shunt_config::engine::EngineUrl;
use shunt_config::secret::Secret;
use shunt_config::store::{Store, StoreError};
use shunt_config::{AppName, Release, Slot};
use tokio::time::sleep;

use crate::app_keys::AppKeys;
use crate::engine::{self, Container, Engine, EngineError, Life, label};
use crate::exit::Failure;
use crate::fence::{Fence, NotDone};
use crate::lock::take;
use crate::report::Report;
use crate::time::show;

mod ending;

pub(crate) use ending::left_stopping;

/// How often something is done about them, at most: someone who puts `active` all the time is not followed
/// for ever.
const LOOKS: u32 = 5;

/// How often one that may be ending is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A worker, and where it is.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its engine.
    pub engine: Arc<dyn Engine>,
    /// The container.
    pub container: Container,
}

/// How a worker is made.
pub fn settings(worker: &Worker) -> Settings {
    let mut settings = worker.settings.clone();
    // An engine that starts must not start what was stopped with its release.
    if settings.restart == Restart::Always {
        settings.restart = Restart::UnlessStopped;
    }
    settings
}

/// Its variables: those of all containers, and its own.
pub fn environment(all: &[(Variable, Secret)], worker: &Worker) -> Vec<(Variable, Secret)> {
    let own = worker.env.iter().map(|(name, value)| (name.clone(), Secret::new(value)));
    let others = all.iter().filter(|(name, _)| !worker.env.contains_key(name)).cloned();
    others.chain(own).collect()
}

/// The workers of an app, as far as its engines answer.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that were found.
    pub placed: Vec<Placed>,
    /// The engines that did not answer.
    pub silent: Vec<(EngineUrl, EngineError)>,
}

/// All workers of the app of `keys`, on whatever engine its keys name.
pub async fn of_app(keys: &AppKeys) -> Found {
    of_app_on(keys, |_| true).await
}

/// The same on those engines that are `wanted`.
pub async fn of_app_on(keys: &AppKeys, wanted: impl Fn(&EngineUrl) -> bool) -> Found {
    let engines = releases(keys).flat_map(|release| release.engines);
    let engines: BTreeMap<_, _> =
        engines.filter(|e| wanted(&e.url)).map(|e| (e.url.clone(), e)).collect();
    let mut labels = label::of_app(&keys.name, &keys.store);
    labels.insert(label::WORKER.to_owned(), String::new());
    let labels = &labels;
    let all = engines.values().map(|named| async move {
        let listed = async {
            let (engine, containers) = engine::look(named, labels).await?;
            let placed = |container| Placed { engine: Arc::clone(&engine), container };
            Ok(containers.into_iter().map(placed).collect::<Vec<_>>())
        };
        (named.url.clone(), listed.await)
    });
    let mut found = Found::default();
    for (url, listed) in join_all(all).await {
        match listed {
            Ok(placed) => found.placed.extend(placed),
            Err(error) => found.silent.push((url, error)),
        }
    }
    found
}

/// The releases of an app that have workers.
fn releases(keys: &AppKeys) -> impl Iterator<Item = Release> {
    let slots = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok().cloned());
    let replaced = keys.draining.values().filter_map(|kept| kept.ok()?.release());
    slots.chain(replaced).filter(with_workers)
}

fn with_workers(release: &Release) -> bool {
    !release.workers.is_empty()
}

/// Those of the deploy `id`, and the others.
pub fn split(all: Vec<Placed>, id: Option<&String>) -> (Vec<Placed>, Vec<Placed>) {
    let own = |one: &Placed| id.is_some() && one.container.labels.get(label::DEPLOY) == id;
    all.into_iter().partition(own)
}

/// What became of workers that were to be started or stopped.
#[derive(Debug, Default)]
pub struct Acted {
    /// How many were.
    pub done: usize,
    /// Why others were not.
    pub failed: Vec<EngineError>,
}

impl Acted {
    /// How many were; an error if an engine did not do it.
    pub fn all(self) -> Result<usize, EngineError> {
        self.failed.into_iter().next().map_or(Ok(self.done), Err)
    }
}

/// Starts those that do not run; one that its engine starts again by itself is left to that.
pub async fn wake(fence: &Fence<'_>, all: &[Placed]) -> Result<Acted, StoreError> {
    let asleep = all.iter().filter(|one| !is_awake(one));
    acted(asleep.map(|one| fence.act(one.engine.wake(&one.container.id)))).await
}

/// Stops those that run, or will by themselves.
pub async fn halt(fence: &Fence<'_>, all: &[Placed], grace: Duration) -> Result<Acted, StoreError> {
    let awake = all.iter().filter(|one| is_awake(one));
    acted(awake.map(|one| fence.act(one.engine.halt(&one.container.id, grace)))).await
}

async fn acted(
    all: impl Iterator<Item = impl Future<Output = Result<(), NotDone>>>,
) -> Result<Acted, StoreError> {
    let mut acted = Acted::default();
    for done in join_all(all).await {
        match done {
            Ok(()) => acted.done += 1,
            Err(NotDone::Engine(error)) => acted.failed.push(error),
            Err(NotDone::Store(error)) => return Err(error),
        }
    }
    Ok(acted)
}

/// Sees to it that the workers of the release that gets all requests run, and no others, for the holder of
/// the lock. The traffic is where it should be already: what fails here is told, and no failure.
pub async fn follow(report: &Report, fence: &Fence<'_>) {
    let mut followed = Followed::default();
    if let Err(error) = try_follow(report, fence, &mut followed).await {
        report.note(&format!("the workers are left as they are: {}", Failure::from(error)));
    }
    let Followed { started, stopped, left } = followed;
    if started + stopped > 0 {
        report.note(&format!("workers: {started} started, {stopped} stopped"));
    }
    for why in left {
        let hint = format!("`shuntctl resume {}` sees to it later", fence.app());
        report.note(&format!("not all workers are as they should be: {why}; {hint}"));
    }
}

/// The same for one who has not got the lock, and takes it for that, where it is free within `wait`: two
/// who go back and forth at the same time would see each other's workers half way.
pub async fn follow_in_turn(
    report: &Report,
    store: &dyn Store,
    app: &AppName,
    verb: &str,
    wait: Duration,
) {
    let locked = async {
        if releases(&AppKeys::read(store, app).await?).next().is_none() {
            return Ok(());
        }
        let held = take(store, app, verb, wait, report).await?;
        follow(report, &Fence::of(&held, store, app)).await;
        held.release().await?;
        Ok::<_, Failure>(())
    };
    if let Err(failure) = locked.await {
        let hint = format!("`shuntctl resume {app}` sees to them later");
        report.note(&format!("the workers are left as they are: {failure}; {hint}"));
    }
}

/// What following has come to.
#[derive(Debug, Default)]
struct Followed {
    started: usize,
    stopped: usize,
    left: BTreeSet<String>,
}

/// Looks again after it has acted: `active` may have been put meanwhile, which takes no lock. And it looks
/// again as long as a worker that is to run may be ending: one that runs by then was not told to.
async fn try_follow(
    report: &Report,
    fence: &Fence<'_>,
    followed: &mut Followed,
) -> Result<(), StoreError> {
    let (mut looks, mut told, mut woken) = (0, false, BTreeSet::new());
    while looks < LOOKS {
        let keys = fence.keys().await?;
        let slot = keys.active().and_then(shunt_config::Active::only);
        let Some(active) = slot.and_then(|slot| keys.slot(slot)?.ok()) else { return Ok(()) };
        let found = of_app(&keys).await;
        let (own, others) = split(found.placed, active.deploy.as_ref());
        let grace = keys.record().map(|record| record.limits).unwrap_or_default().stop;
        if looks == 0 && own.iter().any(is_awake) && ending::was_stopping(&keys) {
            halt(fence, &own, grace).await?;
            looks += 1;
            continue;
        }
        let doubtful = |one: &Placed| is_awake(one) && !woken.contains(&one.container.id);
        let in_doubt = own.iter().any(doubtful);
        let asleep = own.iter().filter(|one| !is_awake(one));
        woken.extend(asleep.map(|one| one.container.id.clone()));
        let (started, stopped) = (wake(fence, &own).await?, halt(fence, &others, grace).await?);
        followed.started += started.done;
        followed.stopped += stopped.done;
        let silent = found.silent.into_iter().map(|(_, error)| error);
        let failed = silent.chain(started.failed).chain(stopped.failed);
        followed.left = failed.map(|error| error.to_string()).collect();
        if started.done + stopped.done > 0 {
            looks += 1;
            continue;
        }
        let left = ending::left(fence.since(), &keys, grace);
        if !in_doubt || left.is_zero() {
            break;
        }
        if !std::mem::replace(&mut told, true) {
            let left = show(left);
            report.note(&format!(
                "waiting for {left} at most: workers that run may have been told to end by a run that was \
                 cut short"
            ));
        }
        sleep(LOOK.min(left)).await;
    }
    Ok(())
}

/// Whether it runs, or will by itself.
fn is_awake(one: &Placed) -> bool {
    one.container.life != Life::Over
}
