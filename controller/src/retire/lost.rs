//! Proxies that give no sign of life, and so may still serve what is to be stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::Draining;
use shunt_config::store::{Condition, Txn};
use shunt_config::{AppName, ProxyName, Token};

use super::Reaper;
use crate::exit::Failure;
use crate::fleet::Fleet;
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
        let lost = missed(&fleet, draining, Timestamp::now());
        if lost != draining.lost {
            let key = AppKey::Draining(token.clone()).of(app).to_string();
            let value = noted(draining, lost.clone())?;
            let same = Condition::Is(key.clone(), entry.clone());
            let txn = Txn::new().when(self.held.condition()).when(same).put(key, value);
            self.held.steady(async || self.store.commit(txn.clone()).await).await?;
        }
        let waits = waits(&lost, self.limits.lost);
        Ok((!waits.is_empty()).then(|| waits.join(", ")))
    }
}

/// The proxies that give no sign of life, and since when each is missed.
pub(super) fn missed(
    fleet: &Fleet,
    draining: &Draining,
    now: Timestamp,
) -> BTreeMap<ProxyName, Timestamp> {
    // Noted by a clock that is ahead of this one, it would be missed for longer than it was.
    let since = |name: &ProxyName| draining.lost.get(name).map_or(now, |since| now.min(*since));
    fleet.lost().map(|name| (name.clone(), since(name))).collect()
}

/// Those of `lost` that are not missed for `limit` yet, in words.
pub(super) fn waits(lost: &BTreeMap<ProxyName, Timestamp>, limit: Duration) -> Vec<String> {
    let waits = lost.iter().filter(|(_, since)| age(**since) < limit);
    let say = |(name, since): (&ProxyName, &Timestamp)| {
        let rest = show(limit.saturating_sub(age(*since)));
        format!("{name} is lost, and is waited for for another {rest}")
    };
    waits.map(say).collect()
}

/// The value of `draining` with `lost` noted in it.
pub(super) fn noted(
    draining: &Draining,
    lost: BTreeMap<ProxyName, Timestamp>,
) -> Result<Vec<u8>, Failure> {
    let noted = Draining { lost, ..draining.clone() };
    serde_json::to_vec(&noted).map_err(|e| Failure::usage(e.to_string()))
}
