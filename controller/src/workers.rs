//! Workers: a release's containers that get no requests. Those of the release that is active run; those
//! of a release that is kept warm are stopped, and still there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use shunt_config::deploy_file::{Restart, Settings, Variable, Worker};
use shunt_config::secret::Secret;
use shunt_config::store::Store;
use shunt_config::{AppName, Release, Slot};

use crate::app_keys::AppKeys;
use crate::engine::{self, Container, Engine, EngineError, label};
use crate::exit::Failure;
use crate::report::Report;

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

/// All workers of the app of `keys`, on whatever engine its keys name.
pub async fn of_app(keys: &AppKeys) -> Result<Vec<Placed>, EngineError> {
    let slots = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok().cloned());
    let replaced = keys.draining.values().filter_map(|kept| kept.ok()?.release());
    let engines = slots.chain(replaced).filter(with_workers).flat_map(|release| release.engines);
    let engines: BTreeMap<_, _> = engines.map(|e| (e.url.clone(), e)).collect();
    let mut labels = label::of_app(&keys.name, &keys.store);
    labels.insert(label::WORKER.to_owned(), String::new());
    let labels = &labels;
    let all = engines.values().map(|engine| async move {
        let engine = engine::open(engine).await?;
        let containers = engine.list(labels).await?;
        let placed = |container| Placed { engine: Arc::clone(&engine), container };
        Ok::<_, EngineError>(containers.into_iter().map(placed).collect::<Vec<_>>())
    });
    Ok(try_join_all(all).await?.concat())
}

fn with_workers(release: &Release) -> bool {
    !release.workers.is_empty()
}

/// Those of the deploy `id`, and the others.
pub fn split(all: Vec<Placed>, id: Option<&String>) -> (Vec<Placed>, Vec<Placed>) {
    let own = |one: &Placed| id.is_some() && one.container.labels.get(label::DEPLOY) == id;
    all.into_iter().partition(own)
}

/// Starts those that do not run; how many did not.
pub async fn wake(all: &[Placed]) -> Result<usize, EngineError> {
    let asleep = all.iter().filter(|one| !one.container.running);
    Ok(try_join_all(asleep.map(|one| one.engine.wake(&one.container.id))).await?.len())
}

/// Stops them; how many ran before.
pub async fn halt(all: &[Placed], grace: Duration) -> Result<usize, EngineError> {
    try_join_all(all.iter().map(|one| one.engine.halt(&one.container.id, grace))).await?;
    Ok(all.iter().filter(|one| one.container.running).count())
}

/// Sees to it that the workers of the release that gets all requests run, and no others. The traffic is
/// where it should be already: what fails here is told, and no failure.
pub async fn follow(report: &Report, store: &dyn Store, app: &AppName) {
    match try_follow(store, app).await {
        Ok(Some(said)) => report.note(&said),
        Ok(None) => {}
        Err(failure) => report.note(&format!("the workers are left as they are: {failure}")),
    }
}

async fn try_follow(store: &dyn Store, app: &AppName) -> Result<Option<String>, Failure> {
    let keys = AppKeys::read(store, app).await?;
    let slot = keys.active().and_then(shunt_config::Active::only);
    let Some(active) = slot.and_then(|slot| keys.slot(slot)?.ok()) else { return Ok(None) };
    let (own, others) = split(of_app(&keys).await?, active.deploy.as_ref());
    let grace = keys.record().map(|record| record.limits).unwrap_or_default().stop;
    let (started, stopped) = (wake(&own).await?, halt(&others, grace).await?);
    let version = active.version.as_deref().unwrap_or("what is active");
    let said = match own.len() {
        0 => format!("workers: {stopped} of other releases stopped"),
        run => format!("workers: {run} of {version} run, {stopped} of other releases stopped"),
    };
    Ok((started + stopped > 0).then_some(said))
}
