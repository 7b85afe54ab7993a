//! Containers that no key speaks of.

use shunt_config::{AppName, Slot};

use super::doubt::unsure;
use super::{Reaper, Retired};
use crate::app_keys::AppKeys;
use crate::engine::{Container, Engine, Labels, label};
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::join;

impl Reaper<'_> {
    /// Removes containers of the app that no key speaks of: what a deploy started that was killed
    /// before it could write more than its record, and whose record is gone.
    pub async fn sweep_orphans(
        &self,
        engine: &dyn Engine,
        app: &AppName,
    ) -> Result<Retired, Failure> {
        let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
        let Some(named) = deploys(&keys) else { return Ok(Retired::nothing()) };
        let labels = label::of_app(app, &keys.store);
        let orphan = |container: &Container| {
            let deploy = container.labels.get(label::DEPLOY);
            deploy.is_some_and(|deploy| !named.contains(deploy))
        };
        self.remove_unnamed(engine, &keys, &fleet, &labels, orphan).await
    }

    /// Removes the containers of `deploy`, whose release is in no slot and not under `draining/`,
    /// though it may have been served.
    pub async fn sweep_deploy(
        &self,
        engine: &dyn Engine,
        app: &AppName,
        deploy: &str,
    ) -> Result<Retired, Failure> {
        let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
        let labels = label::of_deploy(app, deploy);
        self.remove_unnamed(engine, &keys, &fleet, &labels, |_| true).await
    }

    async fn remove_unnamed(
        &self,
        engine: &dyn Engine,
        keys: &AppKeys,
        fleet: &Fleet,
        labels: &Labels,
        unnamed: impl Fn(&Container) -> bool,
    ) -> Result<Retired, Failure> {
        self.held.still_in(keys)?;
        let mut all = engine.list(labels).await?;
        all.retain(unnamed);
        if all.is_empty() {
            return Ok(Retired::nothing());
        }
        if let Some(why) = may_be_served(keys, fleet) {
            return Ok(Retired::Kept(why));
        }
        let (mut removed, mut kept) = (0, None);
        for container in &all {
            let port = label::number(container, label::PORT);
            if let Some(name) = port.and_then(|port| fleet.names_port(port)) {
                kept = Some(Retired::Kept(format!("{name} names {}", container.name)));
                continue;
            }
            engine.remove(&container.id, self.limits.stop).await?;
            removed += 1;
        }
        let gone = Retired::Gone { containers: removed, cut: [].into() };
        Ok(kept.filter(|_| removed == 0).unwrap_or(gone))
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

/// The deploys that any key of the app names; `None` if a key that might name one cannot be read.
fn deploys(keys: &AppKeys) -> Option<Vec<String>> {
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
