//! Stopping a release for good: after every known proxy has let go of it, and never before.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{Draining, Limits};
use shunt_config::store::{Condition, Outcome, Store, StoreError, Txn};
use shunt_config::{AppName, ProxyName, Release, Slot, Token};

use crate::announce::displace;
use crate::app_keys::AppKeys;
use crate::engine::{self, Engine, label};
use crate::exit::{Exit, Failure};
use crate::fleet::{Ack, Expected, Fleet};
use crate::flip::{join, leases};
use crate::lock::Held;
use crate::report::{Tell, distance, show};
use crate::sight::{Look, Sight, Waited};

/// Stops releases for the holder of an app's lock.
#[derive(Debug)]
pub struct Yard<'a> {
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

impl Yard<'_> {
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

    /// Waits until every live proxy serves what the keys ask for and has no request on `token`: the
    /// requests that are left when their time is over, or why it must not be stopped at all.
    async fn let_go(
        &self,
        sight: &mut Sight,
        keys: &AppKeys,
        token: &Token,
        draining: &Draining,
        tell: &mut Tell<'_>,
    ) -> Result<BTreeMap<ProxyName, Option<u64>>, String> {
        let over = self.limits.drain.saturating_sub(distance(draining.since));
        let limit = if self.wait { over } else { Duration::ZERO };
        // A status that names this very `active` was written after the proxy had applied it; an
        // older one says nothing of what was sent where meanwhile.
        let expected = Expected::of(keys);
        let late = |fleet: &Fleet| expected.as_ref().and_then(|expected| late(fleet, expected));
        let waited: Result<Waited<()>, Infallible> = sight
            .wait(limit, tell, |keys, fleet| {
                let holding = fleet.holding(keys, token);
                Ok(match (late(fleet), holding.is_empty()) {
                    (Some((name, why)), _) => Look::Wait(name, why),
                    (None, true) => Look::Done(()),
                    (None, false) => Look::Wait(join(holding.keys()), leases(&holding)),
                })
            })
            .await;
        match waited {
            Ok(Waited::Done(())) => Ok(BTreeMap::new()),
            Ok(Waited::TimedOut(waits)) => match (sight.out_of_touch(), late(&sight.fleet)) {
                (None, None) => Ok(sight.fleet.holding(&sight.keys, token)),
                _ => Err(waits),
            },
            Err(never) => match never {},
        }
    }

    /// Why requests that are left forbid to stop the release.
    fn too_early(
        &self,
        draining: &Draining,
        left: &BTreeMap<ProxyName, Option<u64>>,
        ours: bool,
    ) -> Option<String> {
        let serving: Vec<&ProxyName> =
            left.iter().filter(|(_, n)| n.is_none()).map(|(name, _)| name).collect();
        if !serving.is_empty() {
            return Some(format!("{} has not let go of it", join(serving)));
        }
        // What someone else runs is not ours to stop, so its requests are not ours to cut.
        let over = distance(draining.since) >= self.limits.drain;
        let stays = !left.is_empty() && (!over || !ours);
        stays.then(|| format!("{} not over", leases(left)))
    }

    /// Why a proxy that gives no sign of life forbids to stop the release. Notes down since when
    /// each is missed, so that the count goes on in whichever process looks next.
    async fn missing(
        &self,
        app: &AppName,
        token: &Token,
        draining: &Draining,
        entry: &Token,
    ) -> Result<Option<String>, Failure> {
        let fleet = self.fleet(app).await?;
        let now = Timestamp::now();
        let since = |name: &ProxyName| draining.lost.get(name).copied().unwrap_or(now);
        let lost: BTreeMap<_, _> = fleet.lost().map(|name| (name.clone(), since(name))).collect();
        if lost != draining.lost {
            let key = AppKey::Draining(token.clone()).of(app).to_string();
            let noted = Draining { lost: lost.clone(), ..draining.clone() };
            let value = serde_json::to_vec(&noted).map_err(|e| Failure::usage(e.to_string()))?;
            let same = Condition::Is(key.clone(), entry.clone());
            let txn = Txn::new().when(self.held.condition()).when(same).put(key, value);
            self.held.steady(async || self.store.commit(txn.clone()).await).await?;
        }
        let waits = lost.iter().filter(|(_, since)| distance(**since) < self.limits.lost);
        let waits: Vec<String> = waits
            .map(|(name, since)| {
                let limit = show(self.limits.lost);
                format!("{name} is lost for {} of {limit}", show(distance(*since)))
            })
            .collect();
        Ok((!waits.is_empty()).then(|| waits.join(", ")))
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

/// A live proxy that does not serve what is `expected`, and why.
fn late(fleet: &Fleet, expected: &Expected) -> Option<(String, String)> {
    fleet.acks(expected).into_iter().find_map(|(name, ack)| match ack {
        Ack::Applied | Ack::Lost => None,
        Ack::Waiting(why) | Ack::Refused(why) => {
            Some((name.to_string(), format!("{name} does not serve what `active` says: {why}")))
        }
    })
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
