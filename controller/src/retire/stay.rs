//! The end of visitors' stay on a replaced release.
//!
//! It ends in two steps. First its entry says that nobody may stay any more, and then every proxy that
//! it has let go of the release; so a visitor who comes back at the last moment is sent elsewhere by
//! the proxy, and never to what is just being stopped.

use std::time::Duration;

use jiff::Timestamp;
use shunt_config::Token;
use shunt_config::key::AppKey;
use shunt_config::record::Draining;
use shunt_config::store::Txn;

use super::Reaper;
use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;
use crate::stay::Stay;

/// How long proxies are given to let go of a release whose visitors have just left, by whoever waits
/// for nothing else.
pub(super) const MOMENT: Duration = Duration::from_secs(5);

impl Reaper<'_> {
    /// Ends the stay of visitors on the release under `draining/<token>` if the last of them has left,
    /// or has to. Why not, where some stay. `Ok(None)` where nobody may stay any more.
    pub(super) async fn end_stay(
        &self,
        keys: &AppKeys,
        token: &Token,
        draining: &Draining,
        entry: &Token,
    ) -> Result<Option<String>, Failure> {
        let Some(until) = draining.sessions else { return Ok(None) };
        let app = &keys.name;
        let fleet = self.fleet(app).await?;
        let stay = Stay::of(&fleet, token);
        if until > Timestamp::now() {
            if let Some(stay) = stay.as_ref().filter(|stay| !stay.is_over()) {
                return Ok(Some(stay.text(until)));
            }
            let silent =
                fleet.holding(keys, token).into_iter().find(|(_, leases)| leases.is_none());
            if let Some((name, _)) = silent {
                return Ok(Some(format!("{name} has not said who stays on it")));
            }
            if let Some(why) = self.missing(app, token, draining, entry).await? {
                return Ok(Some(why));
            }
        }
        if let Some(stay) = stay.filter(|stay| stay.most > 0) {
            let version = draining.release().and_then(|release| release.version);
            let version = version.as_deref().unwrap_or("a replaced release");
            let said = format!("the time of {} on {version} is over", stay.visitors());
            self.report.note(&said);
        }
        self.close_stay(token, &self.keys(app).await?).await
    }

    /// Ends every stay, whoever is still there.
    pub async fn end_all_stays(&self, keys: &AppKeys) -> Result<(), Failure> {
        for token in keys.draining.keys() {
            self.close_stay(token, keys).await?;
        }
        Ok(())
    }

    async fn close_stay(&self, token: &Token, keys: &AppKeys) -> Result<Option<String>, Failure> {
        let draining = keys.draining.get(token).and_then(Kept::ok);
        let Some(draining) = draining.filter(|draining| draining.sessions.is_some()) else {
            return Ok(None);
        };
        let ended = Some(Timestamp::now());
        let closed = Draining { sessions: None, ended, ..draining.clone() };
        let value = serde_json::to_vec(&closed).map_err(|e| Failure::usage(e.to_string()))?;
        let key = AppKey::Draining(token.clone());
        let txn = Txn::new().when(self.held.condition()).when(keys.unchanged(&key));
        let txn = txn.put(key.of(&keys.name), value);
        let done = self.held.steady(async || self.store.commit(txn.clone()).await).await?;
        let refused = matches!(done, shunt_config::store::Outcome::Refused);
        Ok(refused.then(|| "its entry was changed at the same moment".to_owned()))
    }
}
