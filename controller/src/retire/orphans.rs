//! Containers that no key speaks of.

use shunt_config::{AppName, Engine, Slot};

use super::Reaper;
use super::clear::{Cleared, Fate, clear};
use super::doubt::unsure;
use crate::app_keys::AppKeys;
use crate::engine::{Container, Labels, label};
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::join;
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
        let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
        let Some(named) = deploys(&keys) else { return Ok(Cleared::default()) };
        let labels = label::of_app(app, &keys.store);
        let orphan = |container: &Container| {
            let deploy = container.labels.get(label::DEPLOY);
            // What is kept of a release that is gone is `prune`'s.
            let kept = |id: &str| self.limits.keep > 0 && is_shelved(&keys, container, id);
            deploy.is_some_and(|deploy| !named.contains(deploy) && !kept(deploy))
        };
        self.remove_unnamed(engines, &keys, &fleet, &labels, orphan).await
    }

    /// Removes the containers of `deploy`, whose release is in no slot and not under `draining/`,
    /// though it may have been served.
    pub async fn sweep_deploy(
        &self,
        engines: &[Engine],
        app: &AppName,
        deploy: &str,
    ) -> Result<Cleared, Failure> {
        let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
        let labels = label::of_deploy(app, deploy);
        self.remove_unnamed(engines, &keys, &fleet, &labels, |_| true).await
    }

    async fn remove_unnamed(
        &self,
        engines: &[Engine],
        keys: &AppKeys,
        fleet: &Fleet,
        labels: &Labels,
        unnamed: impl Fn(&Container) -> bool,
    ) -> Result<Cleared, Failure> {
        self.held.still_in(keys)?;
        let served = may_be_served(keys, fleet);
        let fate = |container: &Container| {
            if !unnamed(container) {
                return Fate::Stays;
            }
            let port = label::number(container, label::PORT);
            let names = || Some(format!("{} names {}", fleet.names_port(port?)?, container.name));
            served.clone().or_else(names).map_or(Fate::Goes, Fate::Kept)
        };
        let mut cleared = clear(engines, labels, self.limits.stop, fate).await;
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

/// Whether a container of the deploy `id`, which no key names, is one that is kept for its output.
pub(super) fn is_shelved(keys: &AppKeys, container: &Container, id: &str) -> bool {
    !container.running && history::went_through(keys, id)
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
