//! Workers: a release's containers that get no requests. Those of the release that is active run; those
//! of a release that is kept warm are stopped, and still there.

use std::time::Duration;

use futures_util::future::try_join_all;
use shunt_config::deploy_file::{Restart, Settings, Variable, Worker};
use shunt_config::secret::Secret;
use shunt_config::store::Store;
use shunt_config::{AppName, Slot};

use crate::app_keys::AppKeys;
use crate::engine::{self, Container, Engine, EngineError, label};
use crate::exit::Failure;
use crate::report::Report;

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

/// All workers of an app.
pub async fn of_app(
    engine: &dyn Engine,
    app: &AppName,
    store: &str,
) -> Result<Vec<Container>, EngineError> {
    let mut labels = label::of_app(app, store);
    labels.insert(label::WORKER.to_owned(), String::new());
    engine.list(&labels).await
}

/// Those of the deploy `id`, and the others.
pub fn split<'a>(
    all: &'a [Container],
    id: Option<&String>,
) -> (Vec<&'a Container>, Vec<&'a Container>) {
    all.iter().partition(|worker| id.is_some() && worker.labels.get(label::DEPLOY) == id)
}

/// Stops those that run; how many did.
pub async fn halt(
    engine: &dyn Engine,
    all: &[&Container],
    grace: Duration,
) -> Result<usize, EngineError> {
    let running = all.iter().filter(|worker| worker.running);
    Ok(try_join_all(running.map(|worker| engine.halt(&worker.id, grace))).await?.len())
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
    let release = |slot: Slot| keys.slot(slot)?.ok();
    let any = Slot::BOTH.into_iter().filter_map(release).find(|r| !r.workers.is_empty());
    let active = keys.active().and_then(shunt_config::Active::only).and_then(release);
    let (Some(any), Some(active)) = (any, active) else { return Ok(None) };
    let engine = engine::open(active.engine.as_deref().or(any.engine.as_deref())).await?;
    let all = of_app(&*engine, app, &keys.store).await?;
    let (own, others) = split(&all, active.deploy.as_ref());
    let grace = keys.record().map(|record| record.limits).unwrap_or_default().stop;
    let asleep: Vec<_> = own.iter().filter(|worker| !worker.running).collect();
    for worker in &asleep {
        engine.wake(&worker.id).await?;
    }
    let stopped = halt(&*engine, &others, grace).await?;
    let said = format!("workers: {} started, {stopped} stopped", asleep.len());
    Ok((stopped + asleep.len() > 0).then_some(said))
}
