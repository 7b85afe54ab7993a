//! Containers that no key speaks of.

use shunt_config::{AppName, Slot};

use super::Retirer;
use crate::app_keys::AppKeys;
use crate::engine::{Engine, label};
use crate::exit::Failure;

impl Retirer<'_> {
    /// Removes containers of the app that no key speaks of: what a deploy started that was killed
    /// before it could write more than its record, and whose record is gone. How many there were.
    pub async fn sweep_orphans(
        &self,
        engine: &dyn Engine,
        app: &AppName,
    ) -> Result<usize, Failure> {
        let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
        let Some(named) = deploys(&keys) else { return Ok(0) };
        let mut removed = 0;
        for container in engine.list(&label::of_app(app, &keys.store)).await? {
            let deploy = container.labels.get(label::DEPLOY);
            let port = label::number(&container, label::PORT);
            let known = deploy.is_none_or(|deploy| named.contains(deploy));
            if known || port.is_some_and(|port| fleet.names_port(port)) {
                continue;
            }
            engine.remove(&container.id, self.limits.stop).await?;
            removed += 1;
        }
        Ok(removed)
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
