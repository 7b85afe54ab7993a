//! The engines that an app's releases run on: all of them, for what must not run side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use shunt_config::Slot;
use shunt_config::engine::EngineUrl;

use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{self, Container, Engine, EngineError, label};
use crate::exit::Failure;
use crate::keeping::named;

/// Engines, as far as they answer.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Those that do, and the containers of the app on them that are not this deploy's.
    pub(super) answered: Vec<(Arc<dyn Engine>, Vec<Container>)>,
    /// Those that do not.
    pub(super) silent: Vec<(EngineUrl, EngineError)>,
}

impl Run<'_> {
    /// The engines that releases of the app run on, but for those that are given up.
    pub(super) fn engines(&self, keys: &AppKeys) -> Vec<shunt_config::Engine> {
        let own = self.journal.record().engines.iter().cloned();
        let all: BTreeMap<_, _> = named(keys).chain(own).map(|e| (e.url.clone(), e)).collect();
        all.into_values().filter(|engine| !self.forgotten.contains(&engine.url)).collect()
    }

    /// What they say, once each of them has answered or is given up.
    pub(super) async fn reach(&self, keys: &AppKeys) -> Reached {
        let engines = self.engines(keys);
        let asked =
            engines.iter().map(|named| async move { (named, self.others(named, keys).await) });
        let mut reached = Reached::default();
        for (named, others) in join_all(asked).await {
            match others {
                Ok(others) => reached.answered.push(others),
                Err(error) => reached.silent.push((named.url.clone(), error)),
            }
        }
        reached
    }

    /// An error if an engine that something of the app may run on does not answer: what runs there could
    /// not be stopped.
    pub(super) async fn all_answer(&self, keys: &AppKeys) -> Result<(), Trouble> {
        let Some((url, error)) = self.reach(keys).await.silent.into_iter().next() else {
            return Ok(());
        };
        let hint = format!("nothing is held and nothing was stopped. {}", without(keys, &url));
        Err(Failure::from(error).hint(hint).into())
    }

    /// The containers of the app on the engine `named` that are not this deploy's.
    pub(super) async fn others(
        &self,
        named: &shunt_config::Engine,
        keys: &AppKeys,
    ) -> Result<(Arc<dyn Engine>, Vec<Container>), EngineError> {
        let own = &self.journal.record().id;
        let labels = label::of_app(&self.app, &keys.store);
        let (engine, mut all) = engine::look(named, &labels).await?;
        all.retain(|container| container.labels.get(label::DEPLOY) != Some(own));
        Ok((engine, all))
    }
}

/// How to go on without the engine `url`, should it not come back: what is in a slot names it as long as it
/// is there.
fn without(keys: &AppKeys, url: &EngineUrl) -> String {
    let app = &keys.name;
    let on = |slot: &Slot| {
        let release = keys.slot(*slot).and_then(Kept::ok);
        release.is_some_and(|release| release.engines.iter().any(|engine| engine.url == *url))
    };
    let serves = |slot: Slot| keys.active().is_none_or(|active| active.share(slot) > 0);
    let forget = format!("`shuntctl resume {app} --forget {url}`");
    let way = match Slot::BOTH.into_iter().filter(on).map(serves).max() {
        None => forget,
        Some(false) => format!("`shuntctl retire {app}`, then {forget}"),
        Some(true) => format!(
            "take it out of `hosts` and deploy once by another strategy, since a part of what serves is \
             there; then `shuntctl retire {app}`, and {forget}"
        ),
    };
    format!("If that host will not come back: {way}")
}
