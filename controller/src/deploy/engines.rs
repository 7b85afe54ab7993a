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
    /// Those that do.
    pub(super) engines: Vec<(EngineUrl, Arc<dyn Engine>)>,
    /// Those that do not.
    pub(super) silent: Vec<(EngineUrl, EngineError)>,
}

impl Run<'_> {
    /// The engines that releases of the app run on, but for those that are given up.
    pub(super) async fn engines(&self, keys: &AppKeys) -> Reached {
        let own = self.journal.record().engines.iter().cloned();
        let all: BTreeMap<_, _> = named(keys).chain(own).map(|e| (e.url.clone(), e)).collect();
        let all = all.values().filter(|engine| !self.forgotten.contains(&engine.url));
        let opened = all.map(|engine| async { (engine.url.clone(), engine::open(engine).await) });
        let mut reached = Reached::default();
        for (url, opened) in join_all(opened).await {
            match opened {
                Ok(engine) => reached.engines.push((url, engine)),
                Err(error) => reached.silent.push((url, error)),
            }
        }
        reached
    }

    /// An error if an engine that something of the app may run on does not answer: what runs there could
    /// not be stopped.
    pub(super) async fn all_answer(&self, keys: &AppKeys) -> Result<(), Trouble> {
        let Some((url, error)) = self.engines(keys).await.silent.into_iter().next() else {
            return Ok(());
        };
        let hint = format!("nothing is held and nothing was stopped. {}", without(keys, &url));
        Err(Failure::from(error).hint(hint).into())
    }

    /// Containers of the app that are not this deploy's.
    pub(super) async fn others(
        &self,
        engine: &dyn Engine,
        keys: &AppKeys,
    ) -> Result<Vec<Container>, EngineError> {
        let own = &self.journal.record().id;
        let mut all = engine.list(&label::of_app(&self.app, &keys.store)).await?;
        all.retain(|container| container.labels.get(label::DEPLOY) != Some(own));
        Ok(all)
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
