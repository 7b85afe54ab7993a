//! Containers of a release that serves, and are gone: ended, or removed by someone.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;
use shunt_config::engine::EngineUrl;
use shunt_config::{AppName, Release, Slot, Token};

use crate::app_keys::AppKeys;
use crate::engine::{self, Container, Engine, EngineError, Life, label};

/// A container that should run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// The slot of its release.
    pub slot: Slot,
    /// Its release.
    #[serde(skip)]
    pub token: Token,
    /// The deploy that started it.
    pub deploy: String,
    /// Where it ran.
    pub engine: shunt_config::Engine,
    /// Which of its release's containers it is.
    pub replica: u16,
    /// Which of its workers it is, if it is one.
    pub worker: Option<String>,
    /// Itself, if it is still there and does not run.
    pub container: Option<String>,
}

/// What a look at the engines has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What should run and does not.
    pub missing: Vec<Missing>,
    /// Engines that do not answer, and why.
    pub silent: Vec<String>,
}

/// A release that gets requests, and whose containers are ours.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Its slot.
    pub slot: Slot,
    /// Its announcement.
    pub token: Token,
    /// What it is.
    pub release: Release,
    /// The deploy that started its containers.
    pub deploy: String,
    /// Whether it gets all requests, so that its workers run, too.
    pub alone: bool,
}

/// The releases that get requests, as `keys` ask for it.
pub fn serving(keys: &AppKeys) -> Vec<Serving> {
    let Some(active) = keys.active() else { return Vec::new() };
    let slots = Slot::BOTH.into_iter().filter(|slot| active.share(*slot) > 0);
    let serving = slots.filter_map(|slot| {
        let kept = keys.slot(slot)?;
        let release = kept.ok()?.clone();
        let deploy = release.deploy.clone()?;
        let alone = active.only() == Some(slot);
        (!release.engines.is_empty()).then(|| Serving {
            slot,
            token: kept.token.clone(),
            release,
            deploy,
            alone,
        })
    });
    serving.collect()
}

/// Engines that were opened before.
#[derive(Debug, Default)]
pub struct Engines(BTreeMap<EngineUrl, Arc<dyn Engine>>);

impl Engines {
    /// The engine, opened if need be.
    pub async fn get(
        &mut self,
        engine: &shunt_config::Engine,
    ) -> Result<Arc<dyn Engine>, EngineError> {
        if let Some(open) = self.0.get(&engine.url) {
            return Ok(Arc::clone(open));
        }
        let open = engine::open(engine).await?;
        self.0.insert(engine.url.clone(), Arc::clone(&open));
        Ok(open)
    }

    /// What is on the engine of `release`'s deploy, and the engine itself, opened if need be.
    async fn list(
        &self,
        app: &AppName,
        release: &Serving,
        named: &shunt_config::Engine,
    ) -> Result<(Arc<dyn Engine>, Vec<Container>), EngineError> {
        let labels = label::of_deploy(app, &release.deploy);
        let Some(open) = self.0.get(&named.url) else { return engine::look(named, &labels).await };
        let there = engine::in_time(open.name(), open.list(&labels)).await?;
        Ok((Arc::clone(open), there))
    }

    /// Keeps one that has answered, and has one that has not opened anew.
    fn keep(&mut self, named: &shunt_config::Engine, open: Option<Arc<dyn Engine>>) {
        match open {
            Some(open) => drop(self.0.insert(named.url.clone(), open)),
            None => drop(self.0.remove(&named.url)),
        }
    }
}

/// Looks for the containers of what serves, as `keys` ask for it, on all engines at once: one that hangs
/// hides nothing of what is on the others.
pub async fn look(keys: &AppKeys, engines: &mut Engines) -> Look {
    let (mut found, serving) = (Look::default(), serving(keys));
    let asked = serving.iter().flat_map(|serving| {
        serving.release.engines.iter().enumerate().map(move |(nth, named)| (serving, nth, named))
    });
    let known = &*engines;
    let listed = join_all(asked.map(|(serving, nth, named)| async move {
        (serving, nth, named, known.list(&keys.name, serving, named).await)
    }));
    for (serving, nth, named, listed) in listed.await {
        match listed {
            Ok((engine, there)) => {
                engines.keep(named, Some(engine));
                found.missing.extend(missing(&keys.name, serving, nth, named, &there));
            }
            Err(error) => {
                engines.keep(named, None);
                found.silent.push(error.to_string());
            }
        }
    }
    found.missing.sort();
    found
}

/// What of `serving` should run on its `nth` engine, and neither does so nor will by itself, as what is
/// `there` shows.
fn missing(
    app: &AppName,
    serving: &Serving,
    nth: usize,
    named: &shunt_config::Engine,
    there: &[Container],
) -> Vec<Missing> {
    let Serving { slot, release, deploy, alone, .. } = serving;
    let replicas = u16::try_from(release.targets.len()).unwrap_or(u16::MAX);
    let workers = release.workers.iter().filter(|_| *alone);
    let wanted = (0..replicas)
        .map(|number| (None, number))
        .chain(workers.flat_map(|(name, count)| (0..*count).map(move |n| (Some(name.clone()), n))));
    let own = |(_, number): &(_, u16)| place(release, *number) == nth;
    let mut missing = Vec::new();
    for (worker, replica) in wanted.filter(own) {
        let same = |c: &&Container| {
            c.labels.get(label::WORKER) == worker.as_ref()
                && label::number(c, label::REPLICA) == Some(replica)
        };
        let found = there.iter().find(same);
        if found.is_some_and(|container| container.life != Life::Over) {
            continue;
        }
        let middle = worker.as_ref().map_or_else(String::new, |worker| format!("{worker}-"));
        missing.push(Missing {
            name: format!("{app}-{slot}-{deploy}-{middle}{replica}"),
            slot: *slot,
            token: serving.token.clone(),
            deploy: deploy.clone(),
            engine: named.clone(),
            replica,
            worker,
            container: found.map(|container| container.id.clone()),
        });
    }
    missing
}

/// Which of the release's engines replica `number` is on: they are spread in turn.
pub fn place(release: &Release, number: u16) -> usize {
    usize::from(number) % release.engines.len().max(1)
}

/// The target that replica `number` answers on. They stand engine by engine, as they were started.
pub fn target(release: &Release, number: u16) -> Option<&shunt_config::Target> {
    let replicas = u16::try_from(release.targets.len()).ok()?;
    let engines = release.engines.len();
    let order = (0..engines)
        .flat_map(|nth| (0..replicas).filter(move |n| usize::from(*n) % engines == nth));
    let at = order.into_iter().position(|n| n == number)?;
    release.targets.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(targets: u16, engines: &[&str]) -> Release {
        let targets: Vec<_> = (0..targets).map(|n| format!("\"10.0.0.1:{}\"", 9000 + n)).collect();
        let engines: Vec<_> = engines.iter().map(|url| format!("\"{url}\"")).collect();
        let text = format!(
            r#"{{"deploy":"d","targets":[{}],"engines":[{}],"workers":{{"jobs":1}}}}"#,
            targets.join(","),
            engines.join(",")
        );
        Release::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn targets_stand_engine_by_engine() {
        let two = release(3, &["unix:///a", "unix:///b"]);
        let port = |number| target(&two, number).map(|target| target.address.to_string());
        // On the first engine are 0 and 2, on the second 1.
        assert_eq!(port(0).as_deref(), Some("10.0.0.1:9000"));
        assert_eq!(port(2).as_deref(), Some("10.0.0.1:9001"));
        assert_eq!(port(1).as_deref(), Some("10.0.0.1:9002"));
        assert_eq!(port(3), None);
    }

    #[test]
    fn what_runs_is_not_missing_and_what_has_ended_is_there_to_be_started() {
        use Life::{Over, Returns, Runs};
        let (app, token) = ("web".parse().unwrap(), Token::from("1-2-3"));
        let serving = |alone| Serving {
            slot: Slot::Green,
            token: token.clone(),
            release: release(2, &["unix:///a"]),
            deploy: "d".to_owned(),
            alone,
        };
        let container = |replica: &str, life| Container {
            id: format!("id{replica}"),
            name: String::new(),
            labels: [(label::REPLICA.to_owned(), replica.to_owned())].into(),
            life,
        };
        let engine = serving(true).release.engines[0].clone();
        let look = |alone, there: &[Container]| missing(&app, &serving(alone), 0, &engine, there);
        assert!(look(false, &[container("0", Runs), container("1", Runs)]).is_empty());
        // Its engine starts it again.
        assert!(look(false, &[container("0", Runs), container("1", Returns)]).is_empty());
        let ended = look(false, &[container("0", Runs), container("1", Over)]);
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].container.as_deref(), Some("id1"));
        let gone = look(true, &[container("1", Runs)]);
        let names: Vec<_> = gone.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["web-green-d-0", "web-green-d-jobs-0"]);
        assert!(gone.iter().all(|one| one.container.is_none()));
    }
}
