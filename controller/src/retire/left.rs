//! Engines that did not answer when containers were to be removed: what is written down of them, and
//! how that is struck out again.

use shunt_config::engine::EngineUrl;
use shunt_config::key::AppKey;
use shunt_config::record::{Draining, History};
use shunt_config::store::Txn;
use shunt_config::{AppName, Engine};

use super::{Cleared, Reaper};
use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;

impl Reaper<'_> {
    /// Strikes out the engines that nothing is left on, now that containers were `cleared`.
    pub async fn strike_out(&self, app: &AppName, cleared: &Cleared) -> Result<(), Failure> {
        if !cleared.kept.is_empty() {
            return Ok(());
        }
        let missed =
            |engine: &Engine| cleared.missed.iter().any(|(other, _)| other.url == engine.url);
        self.change_left(&self.keys(app).await?, missed).await
    }

    /// Gives up what may be left on `engine`, which will not come back: nothing that is written down
    /// of releases out of use speaks of it any more.
    pub async fn give_up(&self, app: &AppName, engine: &EngineUrl) -> Result<(), Failure> {
        let keys = self.keys(app).await?;
        let other = |known: &Engine| known.url != *engine;
        self.change_left(&keys, other).await?;
        for (token, kept) in &keys.draining {
            let Some(value) = kept.ok().and_then(|draining| without(draining, other)) else {
                continue;
            };
            self.replace(&keys, &AppKey::Draining(token.clone()), value).await?;
        }
        Ok(())
    }

    async fn change_left(
        &self,
        keys: &AppKeys,
        stays: impl Fn(&Engine) -> bool,
    ) -> Result<(), Failure> {
        for (id, entry) in left(keys) {
            let mut entry = entry.clone();
            let before = entry.left.len();
            entry.left.retain(&stays);
            if entry.left.len() < before {
                let value =
                    serde_json::to_vec(&entry).map_err(|e| Failure::usage(e.to_string()))?;
                self.replace(keys, &AppKey::History(id.clone()), value).await?;
            }
        }
        Ok(())
    }

    /// Refused, someone else is at it: then the next run looks again.
    async fn replace(&self, keys: &AppKeys, key: &AppKey, value: Vec<u8>) -> Result<(), Failure> {
        let txn = Txn::new().when(self.held.condition()).when(keys.unchanged(key));
        let txn = txn.put(key.clone().of(&keys.name), value);
        self.held.steady(async || self.store.commit(txn.clone()).await).await?;
        Ok(())
    }
}

/// The entries of the history that name engines with something left on them.
pub fn left(keys: &AppKeys) -> impl Iterator<Item = (&String, &History)> {
    let entries = keys.history.iter().filter_map(|(id, kept)| Some((id, Kept::ok(kept)?)));
    entries.filter(|(_, entry)| !entry.left.is_empty())
}

/// `draining` without the engines that do not stay, if it names one.
fn without(draining: &Draining, stays: impl Fn(&Engine) -> bool) -> Option<Vec<u8>> {
    let mut release = draining.release()?;
    let before = release.engines.len();
    release.engines.retain(stays);
    if release.engines.len() == before {
        return None;
    }
    let value = serde_json::to_string(&release).ok()?;
    serde_json::to_vec(&Draining { value, ..draining.clone() }).ok()
}
