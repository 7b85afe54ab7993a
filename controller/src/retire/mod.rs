//! Stopping a release for good: after every known proxy has let go of it, and never before.

use std::collections::BTreeMap;
use std::sync::Arc;

use shunt_config::key::AppKey;
use shunt_config::record::{Draining, Limits};
use shunt_config::store::{Outcome, Store, StoreError, Txn};
use shunt_config::{AppName, Release, Slot, Token};

use crate::announce::displace;
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{self, Container, label};
use crate::exit::{Exit, Failure};
use crate::fence::Fence;
use crate::fleet::Fleet;
use crate::history;
use crate::journal::Journal;
use crate::lock::Held;
use crate::report::{Report, Tell};
use crate::sight::Sight;
use crate::stay::may_stay;

mod clear;
mod doubt;
mod finish;
mod forget;
mod left;
mod let_go;
mod lost;
mod orphans;
mod prune;
mod retired;
mod stay;

pub use clear::{Cleared, remove};
use clear::{Fate, clear};
use doubt::{doubt, unsure};
pub use forget::forget_drained;
pub use left::left;
pub use prune::{Count, Pruned, What};
pub use retired::Retired;

/// Retires releases for the holder of an app's lock.
#[derive(Debug)]
pub struct Reaper<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The lock.
    pub held: &'a Held,
    /// How long what may take.
    pub limits: Limits,
    /// Whether to wait for requests to be over; otherwise what is not drained yet stays.
    pub wait: bool,
    /// Where the output of `finish` goes.
    pub report: &'a Report,
}

impl<'a> Reaper<'a> {
    /// One for the deploy of `journal`, which waits for requests to be over.
    pub fn of(store: &'a Arc<dyn Store>, journal: &'a Journal, report: &'a Report) -> Self {
        let (held, limits) = (journal.held(), journal.record().limits);
        Self { store, held, limits, wait: true, report }
    }
}

impl Reaper<'_> {
    /// Why nobody can tell what the proxies serve, if that is so: then nothing is stopped.
    pub async fn doubt(&self, keys: &AppKeys) -> Result<Option<String>, Failure> {
        Ok(doubt(keys, &self.fleet(&keys.name).await?))
    }

    /// Takes the standby release out of `slot`, so that nothing can be flipped or undone to it any
    /// more; its containers still run. Why it has to stay there, where it has to.
    pub async fn condemn(&self, keys: &AppKeys, slot: Slot) -> Result<Option<String>, Failure> {
        let Some(kept) = keys.slot(slot) else { return Ok(None) };
        let fleet = self.fleet(&keys.name).await?;
        if let Some(why) = doubt(keys, &fleet) {
            return Ok(Some(why));
        }
        if keys.active().is_none_or(|active| active.share(slot) > 0) {
            return Ok(Some(format!("`{slot}` may get requests")));
        }
        let txn = Txn::new()
            .when(self.held.condition())
            .when(keys.unchanged(&AppKey::Active))
            .when(keys.unchanged(&AppKey::Slot(slot)))
            .when(keys.unchanged(&AppKey::Deploy))
            .delete(AppKey::Slot(slot).of(&keys.name))
            .delete(AppKey::Deploy.of(&keys.name));
        let txn = displace(txn, keys, slot, may_stay(keys, &fleet, slot))?;
        let key = AppKey::Draining(kept.token.clone()).of(&keys.name);
        if self.store.commit(txn).await?.token(key).is_none() {
            let said = format!("the keys of `{}` were changed at the same moment", keys.name);
            return Err(Failure::new(Exit::Superseded, said));
        }
        Ok(None)
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
        let Some(kept) = keys.draining.get(token) else { return Ok(Retired::nothing()) };
        let draining = readable(&keys, token, kept)?;
        let keys = if draining.sessions.is_none() {
            keys
        } else {
            if let Some(why) = self.end_stay(&keys, token, draining, &kept.token).await? {
                return Ok(Retired::Kept(why));
            }
            // As it stands now that nobody stays.
            self.keys(&app).await?
        };
        let Some(kept) = keys.draining.get(token) else { return Ok(Retired::nothing()) };
        let draining = readable(&keys, token, kept)?;
        let left = match self.let_go(sight, &keys, token, draining, tell).await {
            Ok(left) => left,
            Err(why) => return Ok(Retired::Kept(why)),
        };
        let ours = draining.release().is_some_and(|release| release.deploy.is_some());
        if let Some(why) = self.too_early(draining, &left, ours) {
            return Ok(Retired::Kept(why));
        }
        if let Some(why) = self.missing(&app, token, draining, &kept.token).await? {
            return Ok(Retired::Kept(why));
        }
        let against = |keys: &AppKeys, fleet: &Fleet| {
            let holding = fleet.reaching(keys, token);
            let serving = holding.iter().find(|(_, leases)| leases.is_none());
            let serving = serving.map(|(name, _)| format!("{name} has not let go of it"));
            let stays = fleet.stays(token).next();
            let stays = stays.map(|(name, _)| format!("visitors still stay on it by {name}"));
            serving.or(stays).or_else(|| unsure(keys, fleet))
        };
        Ok(self.stop(&app, token, draining, against).await?.after(left))
    }

    /// The same for a release that no proxy was ever asked to send an app's requests to. So it is only
    /// previews that have to let go of it, and a lost proxy is no reason to keep it: nothing has told
    /// it to serve this.
    pub async fn discard(
        &self,
        sight: &mut Sight,
        token: &Token,
        tell: &mut Tell<'_>,
    ) -> Result<Retired, Failure> {
        let app = sight.keys.name.clone();
        let keys = self.keys(&app).await?;
        let Some(kept) = keys.draining.get(token) else { return Ok(Retired::nothing()) };
        let draining = readable(&keys, token, kept)?;
        let left = self.previews_let_go(sight, token, tell).await;
        let against = |_: &AppKeys, fleet: &Fleet| {
            let previewing = fleet.previewing(token);
            let open = previewing.iter().find(|(_, leases)| leases.is_none());
            let name = fleet.naming(token).or(open.map(|(name, _)| name))?;
            Some(format!("{name} has not let go of it"))
        };
        Ok(self.stop(&app, token, draining, against).await?.after(left))
    }

    /// Stops the containers of `draining`, and forgets it. `against` says what speaks against that
    /// in a last look at the keys and at the proxies.
    async fn stop(
        &self,
        app: &AppName,
        token: &Token,
        draining: &Draining,
        against: impl Fn(&AppKeys, &Fleet) -> Option<String>,
    ) -> Result<Retired, Failure> {
        let release = draining.release();
        let deploy = release.as_ref().and_then(|release| release.deploy.as_deref());
        let mut stopped = engine::count(0, []);
        if let (Some(deploy), Some(release)) = (deploy, &release) {
            let (keys, fleet) = (self.keys(app).await?, self.fleet(app).await?);
            self.held.still_in(&keys)?;
            let why = in_slot(&keys, token, deploy).or_else(|| against(&keys, &fleet));
            if let Some(why) = why {
                return Ok(Retired::Kept(why));
            }
            let shelved = self.limits.keep > 0 && history::went_through(&keys, deploy);
            let fate =
                |keys: &AppKeys, fleet: &Fleet, _: &Container| match in_slot(keys, token, deploy)
                    .or_else(|| against(keys, fleet))
                {
                    Some(why) => Fate::Kept(why),
                    None if shelved => Fate::Shelved,
                    None => Fate::Goes,
                };
            let (labels, grace) = (label::of_deploy(app, deploy), self.limits.stop);
            let cleared = clear(&self.fence(app), &release.engines, &labels, grace, fate).await?;
            stopped = engine::count(cleared.removed, &release.engines);
            if let Some(why) = cleared.kept.first().cloned().or_else(|| cleared.left()) {
                // It stays written down, so that the next run tries again.
                return Ok(Retired::Kept(format!("{stopped} stopped, not all: {why}")));
            }
        }
        if let Some(why) = self.finish(app, draining).await? {
            return Ok(Retired::Kept(why));
        }
        self.forget(app, token).await?;
        if let Some(release) = release.filter(|release| release.deploy.is_some()) {
            self.tidy(&release.engines, app).await?;
        }
        Ok(Retired::Gone { stopped, cut: BTreeMap::new() })
    }

    async fn forget(&self, app: &AppName, token: &Token) -> Result<(), Failure> {
        let key = AppKey::Draining(token.clone()).of(app);
        let txn = Txn::new().when(self.held.condition()).delete(key);
        match self.held.steady(async || self.store.commit(txn.clone()).await).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Refused => Err(StoreError::LeaseLost.into()),
        }
    }

    fn fence<'b>(&'b self, app: &'b AppName) -> Fence<'b> {
        Fence::of(self.held, &**self.store, app)
    }

    /// The app's keys as they stand now; tried again while the store is away and the lock is held.
    pub async fn keys(&self, app: &AppName) -> Result<AppKeys, StoreError> {
        self.held.steady(async || AppKeys::read(&**self.store, app).await).await
    }

    async fn fleet(&self, app: &AppName) -> Result<Fleet, StoreError> {
        self.held.steady(async || Fleet::read(&**self.store, Some(app)).await).await
    }
}

/// What is under `draining/<token>`; an error if it cannot be read.
fn readable<'a>(
    keys: &AppKeys,
    token: &Token,
    kept: &'a Kept<Draining>,
) -> Result<&'a Draining, Failure> {
    kept.read().map_err(|mistake| {
        let key = AppKey::Draining(token.clone()).of(&keys.name);
        Failure::usage(format!("`{key}` cannot be read: {mistake}"))
    })
}

/// The slot that names a release's containers, in words, if one does.
fn in_slot(keys: &AppKeys, token: &Token, deploy: &str) -> Option<String> {
    let names = |slot: &Slot| {
        let same = |release: &Release| release.deploy.as_deref() == Some(deploy);
        keys.slot(*slot).is_some_and(|kept| kept.token == *token || kept.ok().is_none_or(same))
    };
    Slot::BOTH.into_iter().find(names).map(|slot| format!("it is in `{slot}`"))
}
