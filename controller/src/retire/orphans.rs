//! Containers that no key speaks of.

use shunt_config::{AppName, Engine, Release, Slot};

use super::Reaper;
use super::clear::{Cleared, Fate, clear};
use super::doubt::unsure;
use crate::ack::join;
use crate::app_keys::AppKeys;
use crate::engine::{Container, Labels, Life, label};
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::history;

impl Reaper<'_> {
    /// Removes containers of the app that no key speaks of: what a deploy started that was killed
    /// before it could write more than its record, and whose record is gone; or what was on an
    /// engine that did not answer when its deploy was undone.
    pub async fn sweep_orphans(
        &self,
        engines: &[Engine],
        app: &AppName,
    ) -> Result<Cleared, Failure> {
        let keys = self.keys(app).await?;
        if deploys(&keys).is_none() {
            return Ok(Cleared::default());
        }
        let labels = label::of_app(app, &keys.store);
        let orphan = |keys: &AppKeys, container: &Container| {
            let Some(named) = deploys(keys) else { return false };
            let deploy = container.labels.get(label::DEPLOY);
            // What is kept of a release that is gone is `prune`'s.
            let kept = |id: &str| self.limits.keep > 0 && is_shelved(keys, container, id);
            deploy.is_some_and(|id| !named.contains(id) && !kept(id) && self.held.is_older(id))
        };
        self.remove_unnamed(engines, app, &labels, orphan).await
    }

    /// Removes the containers of `deploy`, whose release is in no slot and not under `draining/`,
    /// though it may have been served.
    pub async fn sweep_deploy(
        &self,
        engines: &[Engine],
        app: &AppName,
        deploy: &str,
    ) -> Result<Cleared, Failure> {
        let labels = label::of_deploy(app, deploy);
        let unnamed = |keys: &AppKeys, _: &Container| !is_placed(keys, deploy);
        self.remove_unnamed(engines, app, &labels, unnamed).await
    }

    async fn remove_unnamed(
        &self,
        engines: &[Engine],
        app: &AppName,
        labels: &Labels,
        unnamed: impl Fn(&AppKeys, &Container) -> bool,
    ) -> Result<Cleared, Failure> {
        let fate = |keys: &AppKeys, fleet: &Fleet, container: &Container| {
            if !unnamed(keys, container) {
                return Fate::Stays;
            }
            let port = label::number(container, label::PORT);
            let names = || Some(format!("{} names {}", fleet.names_port(port?)?, container.name));
            may_be_served(keys, fleet).or_else(names).map_or(Fate::Goes, Fate::Kept)
        };
        let mut cleared = clear(&self.fence(app), engines, labels, self.limits.stop, fate).await?;
        // Containers stay for the same reason more often than not.
        cleared.kept.dedup();
        Ok(cleared)
    }
}

/// Why a proxy may serve a release although no key names it: from its snapshot, or as its last
/// good. Since when a lost proxy is missed is written nowhere here, so it counts until it is back
/// or forgotten.
fn may_be_served(keys: &AppKeys, fleet: &Fleet) -> Option<String> {
    let mut lost = fleet.lost().peekable();
    match lost.peek() {
        Some(_) => Some(format!("lost proxies may still serve them: {}", join(lost))),
        None => unsure(keys, fleet),
    }
}

/// Whether a release of `deploy` is in a slot or under `draining/`, or may be for all one can read.
fn is_placed(keys: &AppKeys, deploy: &str) -> bool {
    let own = |release: Option<Release>| {
        release.is_none_or(|release| release.deploy.as_deref() == Some(deploy))
    };
    let slots = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot));
    let mut slots = slots.map(|kept| kept.ok().cloned());
    let mut draining = keys.draining.values().map(|kept| kept.ok()?.release());
    slots.any(own) || draining.any(own)
}

/// Whether a container of the deploy `id`, which no key names, is one that is kept for its output.
pub(super) fn is_shelved(keys: &AppKeys, container: &Container, id: &str) -> bool {
    container.life == Life::Over && history::went_through(keys, id)
}

/// The deploys that any key of the app names; `None` if a key that might name one cannot be read.
pub(super) fn deploys(keys: &AppKeys) -> Option<Vec<String>> {
    let mut named = Vec::new();
    for slot in Slot::BOTH {
        if let Some(kept) = keys.slot(slot) {
            named.extend(kept.ok()?.deploy.clone());
        }
    }
    for kept in keys.draining.values() {
        named.extend(kept.ok()?.release()?.deploy);
    }
    if let Some(kept) = &keys.deploy {
        let record = kept.ok()?;
        named.push(record.id.clone());
        named.extend(record.previous.as_ref().and_then(|previous| previous.deploy.clone()));
    }
    Some(named)
}
