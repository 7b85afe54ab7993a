//! Removing containers from the engines they run on: from all at once, and an engine that does not
//! answer keeps no other from being cleared.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::store::StoreError;
use shunt_config::{Engine, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::engine::{self, Container, Labels, label};
use crate::fence::{Fence, NotDone};
use crate::fleet::Fleet;

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

/// Stops and removes all containers of `deploy`, which must be in no slot.
pub async fn remove(
    fence: &Fence<'_>,
    engines: &[Engine],
    deploy: &str,
    grace: Duration,
) -> Result<Cleared, StoreError> {
    let labels = label::of_deploy(fence.app(), deploy);
    let fate = |keys: &AppKeys, _: &Fleet, _: &Container| {
        let slot = Slot::BOTH.into_iter().find(|slot| {
            let release = keys.slot(*slot).and_then(Kept::ok);
            release.is_some_and(|release| release.deploy.as_deref() == Some(deploy))
        });
        slot.map_or(Fate::Goes, |slot| Fate::Kept(format!("it is in `{slot}`")))
    };
    clear(fence, engines, &labels, grace, fate).await
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

/// Stops and removes the containers with `labels` that are to go: each as keys and proxies say right before
/// it goes. An error if the lock is lost meanwhile.
pub(super) async fn clear(
    fence: &Fence<'_>,
    engines: &[Engine],
    labels: &Labels,
    grace: Duration,
    fate: impl Fn(&AppKeys, &Fleet, &Container) -> Fate,
) -> Result<Cleared, StoreError> {
    let fate = &fate;
    let all = engines.iter().map(|engine| async move {
        let mut cleared = Cleared::default();
        match clear_one(fence, engine, labels, grace, fate, &mut cleared).await {
            Ok(()) => {}
            Err(NotDone::Engine(error)) => cleared.missed.push((engine.clone(), error.to_string())),
            Err(NotDone::Store(error)) => return Err(error),
        }
        Ok(cleared)
    });
    let all: Result<Vec<_>, StoreError> = join_all(all).await.into_iter().collect();
    let cleared = all?.into_iter().fold(Cleared::default(), Cleared::and);
    if !cleared.missed.is_empty() {
        // Who has waited for an engine in vain has not looked at the lock meanwhile.
        fence.keys().await?;
    }
    Ok(cleared)
}

async fn clear_one(
    fence: &Fence<'_>,
    engine: &Engine,
    labels: &Labels,
    grace: Duration,
    fate: &impl Fn(&AppKeys, &Fleet, &Container) -> Fate,
    cleared: &mut Cleared,
) -> Result<(), NotDone> {
    let (engine, all) = engine::look(engine, labels).await?;
    let all = all.iter().map(|container| async {
        let (keys, fleet) = fence.look().await?;
        let fate = fate(&keys, &fleet, container);
        match &fate {
            Fate::Goes => fence.within(engine.remove(&container.id, grace)).await?,
            Fate::Shelved => fence.within(engine.shelve(&container.id, grace)).await?,
            Fate::Stays | Fate::Kept(_) => {}
        }
        Ok(fate)
    });
    let mut failed = None;
    for done in join_all(all).await {
        match done {
            Ok(Fate::Goes | Fate::Shelved) => cleared.removed += 1,
            Ok(Fate::Stays) => {}
            Ok(Fate::Kept(why)) => cleared.kept.push(why),
            Err(error @ NotDone::Store(_)) => return Err(error),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}
