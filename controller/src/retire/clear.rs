//! Removing containers from the engines they run on: from all at once, and an engine that does not
//! answer keeps no other from being cleared.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::{AppName, Engine};

use crate::engine::{self, Container, EngineError, Labels, label};

/// What became of containers that were to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many are gone, or stopped for good.
    pub removed: usize,
    /// Why some have to stay.
    pub kept: Vec<String>,
    /// Engines on which some may be left, and why.
    pub missed: Vec<(Engine, String)>,
}

impl Cleared {
    /// The engines that some may be left on, in words; `None` if all were cleared.
    pub fn left(&self) -> Option<String> {
        let why = self.missed.iter().map(|(_, why)| why.as_str());
        let why = why.collect::<Vec<_>>().join("; ");
        (!why.is_empty()).then_some(why)
    }

    fn and(mut self, other: Self) -> Self {
        self.removed += other.removed;
        self.kept.extend(other.kept);
        self.missed.extend(other.missed);
        self
    }
}

/// Stops and removes all containers of `deploy`.
pub async fn remove(engines: &[Engine], app: &AppName, deploy: &str, grace: Duration) -> Cleared {
    clear(engines, &label::of_deploy(app, deploy), grace, |_| Fate::Goes).await
}

/// Stops all containers of `deploy`, and keeps them for their output.
pub(super) async fn shelve(
    engines: &[Engine],
    app: &AppName,
    deploy: &str,
    grace: Duration,
) -> Cleared {
    clear(engines, &label::of_deploy(app, deploy), grace, |_| Fate::Shelved).await
}

/// What is to become of a container.
pub(super) enum Fate {
    Goes,
    /// It is stopped, and stays for its output.
    Shelved,
    Stays,
    /// It should go, but must not.
    Kept(String),
}

/// Stops and removes the containers with `labels` that are to go.
pub(super) async fn clear(
    engines: &[Engine],
    labels: &Labels,
    grace: Duration,
    fate: impl Fn(&Container) -> Fate,
) -> Cleared {
    let fate = &fate;
    let all = engines.iter().map(|engine| async move {
        let mut cleared = Cleared::default();
        if let Err(error) = clear_one(engine, labels, grace, fate, &mut cleared).await {
            cleared.missed.push((engine.clone(), error.to_string()));
        }
        cleared
    });
    join_all(all).await.into_iter().fold(Cleared::default(), Cleared::and)
}

async fn clear_one(
    engine: &Engine,
    labels: &Labels,
    grace: Duration,
    fate: &impl Fn(&Container) -> Fate,
    cleared: &mut Cleared,
) -> Result<(), EngineError> {
    let engine = engine::open(engine).await?;
    let (mut going, mut shelved) = (Vec::new(), Vec::new());
    for container in engine.list(labels).await? {
        match fate(&container) {
            Fate::Goes => going.push(container),
            Fate::Shelved => shelved.push(container),
            Fate::Stays => {}
            Fate::Kept(why) => cleared.kept.push(why),
        }
    }
    let mut failed = None;
    let going = join_all(going.iter().map(|c| engine.remove(&c.id, grace)));
    let shelved = join_all(shelved.iter().map(|c| engine.shelve(&c.id, grace)));
    for done in [going.await, shelved.await].concat() {
        match done {
            Ok(()) => cleared.removed += 1,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}
