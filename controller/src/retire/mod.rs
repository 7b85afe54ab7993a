//! Stopping a release for good: after every known proxy has let go of it, and never before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shunt_config::key::AppKey;
use shunt_config::record::Limits;
use shunt_config::store::{Outcome, Store, StoreError, Txn};
use shunt_config::{AppName, ProxyName, Release, Slot, Token};

use crate::announce::displace;
use crate::app_keys::AppKeys;
use crate::engine::{self, Engine, label};
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::flip::leases;
use crate::lock::Held;
use crate::report::Tell;
use crate::sight::Sight;

mod let_go;
mod lost;
mod orphans;

/// Retires releases for the holder of an app's lock.
#[derive(Debug)]
pub struct Retirer<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The lock.
    pub held: &'a Held,
    /// How long what may take.
    pub limits: Limits,
    /// Whether to wait for requests to be over; otherwise what is not drained yet stays.
    pub wait: bool,
}

/// What became of a release that was to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retired {
    /// It is gone.
    Gone {
        /// How many containers were stopped.
        containers: usize,
        /// Requests that were cut off, per proxy, because their time was over.
        cut: BTreeMap<ProxyName, Option<u64>>,
    },
    /// It still runs, and why.
    Kept(String),
}

impl Retired {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Gone { containers, cut } if cut.is_empty() => {
                format!("{containers} container(s) stopped, no request cut")
            }
            Self::Gone { containers, cut } => {
                format!("{containers} container(s) stopped, cut off: {}", leases(cut))
            }
            Self::Kept(why) => format!("kept: {why}"),
        }
    }
}

impl Retirer<'_> {
    /// Takes the standby release out of `slot`, so that nothing can be flipped or undone to it any
    /// more; its token. Its containers still run.
    pub async fn condemn(&self, keys: &AppKeys, slot: Slot) -> Result<Option<Token>, Failure> {
        let Some(kept) = keys.slot(slot) else { return Ok(None) };
        if keys.active().is_some_and(|active| active.share(slot) > 0) {
            return Err(Failure::usage(format!("`{slot}` of `{}` gets requests", keys.name)));
        }
        let txn = Txn::new()
            .when(self.held.condition())
            .when(keys.unchanged(&AppKey::Active))
            .when(keys.unchanged(&AppKey::Slot(slot)))
            .when(keys.unchanged(&AppKey::Deploy))
            .delete(AppKey::Slot(slot).of(&keys.name))
            .delete(AppKey::Deploy.of(&keys.name));
        let txn = displace(txn, keys, slot)?;
        let key = AppKey::Draining(kept.token.clone()).of(&keys.name);
        if self.store.commit(txn).await?.token(key).is_none() {
            let said = format!("the keys of `{}` were changed at the same moment", keys.name);
            return Err(Failure::new(Exit::Superseded, said));
        }
        Ok(Some(kept.token.clone()))
    }

    /// Stops the release under `draining/<token>` and forgets it, if nothing speaks against it.
    /// May be repeated: what is done already is done.
    pub async fn retire(
        &self,
        sight: &mut Sight,
        token: &Token,
        tell: &mut Tell<'_>,
    ) -> Result<Retired, Failure> {
        let app = sight.keys.name.clone();
        let keys = self.keys(&app).await?;
        let Some(kept) = keys.draining.get(token) else {
            return Ok(Retired::Gone { containers: 0, cut: BTreeMap::new() });
        };
        let draining = kept.value.clone().map_err(|mistake| {
            let key = AppKey::Draining(token.clone()).of(&app);
            Failure::usage(format!("`{key}` cannot be read: {mistake}"))
        })?;
        let release = draining.release();
        let deploy = release.as_ref().and_then(|release| release.deploy.clone());
        let left = match self.let_go(sight, &keys, token, &draining, tell).await {
            Ok(left) => left,
            Err(why) => return Ok(Retired::Kept(why)),
        };
        if let Some(why) = self.too_early(&draining, &left, deploy.is_some()) {
            return Ok(Retired::Kept(why));
        }
        if let Some(why) = self.missing(&app, token, &draining, &kept.token).await? {
            return Ok(Retired::Kept(why));
        }
        let containers = match (&deploy, &release) {
            (Some(deploy), Some(release)) => {
                // The last look before the containers go: no key and no proxy names them.
                let (keys, fleet) = (self.keys(&app).await?, self.fleet(&app).await?);
                if let Some(why) = named(&keys, &fleet, token, deploy) {
                    return Ok(Retired::Kept(why));
                }
                let engine = engine::open(release.engine.as_deref()).await?;
                remove(&*engine, &app, deploy, self.limits.stop).await?
            }
            _ => 0,
        };
        self.forget(&app, token).await?;
        Ok(Retired::Gone { containers, cut: left })
    }

    async fn forget(&self, app: &AppName, token: &Token) -> Result<(), Failure> {
        let key = AppKey::Draining(token.clone()).of(app);
        let txn = Txn::new().when(self.held.condition()).delete(key);
        match self.held.steady(async || self.store.commit(txn.clone()).await).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Refused => Err(Failure::new(Exit::Unreachable, "the lock was lost")),
        }
    }

    async fn keys(&self, app: &AppName) -> Result<AppKeys, StoreError> {
        self.held.steady(async || AppKeys::read(&**self.store, app).await).await
    }

    async fn fleet(&self, app: &AppName) -> Result<Fleet, StoreError> {
        self.held.steady(async || Fleet::read(&**self.store, Some(app)).await).await
    }
}

/// What still names a release's containers.
fn named(keys: &AppKeys, fleet: &Fleet, token: &Token, deploy: &str) -> Option<String> {
    for slot in Slot::BOTH {
        let Some(kept) = keys.slot(slot) else { continue };
        let same = |release: &Release| release.deploy.as_deref() == Some(deploy);
        if kept.token == *token || kept.ok().is_none_or(same) {
            return Some(format!("it is in `{slot}`"));
        }
    }
    let holding = fleet.holding(keys, token);
    let serving = holding.iter().find(|(_, leases)| leases.is_none());
    serving.map(|(name, _)| format!("{name} has not let go of it"))
}

/// Stops and removes all containers of `deploy`; how many there were.
pub async fn remove(
    engine: &dyn Engine,
    app: &AppName,
    deploy: &str,
    grace: Duration,
) -> Result<usize, Failure> {
    let containers = engine.list(&label::of_deploy(app, deploy)).await?;
    let all = containers.iter().map(|container| engine.remove(&container.id, grace));
    for removed in futures_util::future::join_all(all).await {
        removed?;
    }
    Ok(containers.len())
}
