//! Proxies that give no sign of life, and so may still serve what is to be stopped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::Draining;
use shunt_config::store::{Condition, Txn};
use shunt_config::{AppName, ProxyName, Token};

use super::Reaper;
use crate::exit::Failure;
use crate::time::{age, show};

impl Reaper<'_> {
    /// Why a proxy that gives no sign of life forbids to stop the release. Notes down since when
    /// each is missed, so that the count goes on in whichever process looks next.
    pub(super) async fn missing(
        &self,
        app: &AppName,
        token: &Token,
        draining: &Draining,
        entry: &Token,
    ) -> Result<Option<String>, Failure> {
        let fleet = self.fleet(app).await?;
        let now = Timestamp::now();
        // Noted by a clock that is ahead of this one, it would be missed for longer than it was.
        let since = |name: &ProxyName| draining.lost.get(name).map_or(now, |since| now.min(*since));
        let lost: BTreeMap<_, _> = fleet.lost().map(|name| (name.clone(), since(name))).collect();
        if lost != draining.lost {
            let key = AppKey::Draining(token.clone()).of(app).to_string();
            let noted = Draining { lost: lost.clone(), ..draining.clone() };
            let value = serde_json::to_vec(&noted).map_err(|e| Failure::usage(e.to_string()))?;
            let same = Condition::Is(key.clone(), entry.clone());
            let txn = Txn::new().when(self.held.condition()).when(same).put(key, value);
            self.held.steady(async || self.store.commit(txn.clone()).await).await?;
        }
        let waits = lost.iter().filter(|(_, since)| age(**since) < self.limits.lost);
        let waits: Vec<String> = waits
            .map(|(name, since)| {
                let limit = show(self.limits.lost);
                format!("{name} is lost for {} of {limit}", show(age(*since)))
            })
            .collect();
        Ok((!waits.is_empty()).then(|| waits.join(", ")))
    }
}
