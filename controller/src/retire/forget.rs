//! Replaced releases that someone else runs: nothing of them is ours to stop, so all there is to do
//! is to forget them once no proxy can have a request on them.

use jiff::Timestamp;
use shunt_config::AppName;
use shunt_config::key::AppKey;
use shunt_config::record::Deploy;
use shunt_config::store::{Store, Txn};

use super::doubt::unsure;
use super::lost::{missed, noted, waits};
use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::unlocked;
use crate::keeping::limits;
use crate::stay::Stay;

/// Forgets what is under `draining/` of `app` and was run by hand, as far as it is over. It takes
/// no lock: a flip must not keep a deploy out. What stays is looked at by the next run.
pub async fn forget_drained(context: &Context, store: &dyn Store, app: &AppName) {
    if let Err(failure) = forget(context, store, app).await {
        context.report.note(&format!("replaced releases are not looked at: {failure}"));
    }
}

async fn forget(context: &Context, store: &dyn Store, app: &AppName) -> Result<(), Failure> {
    let keys = AppKeys::read(store, app).await?;
    // Whoever holds the lock, or takes a deploy back, may want to put one of them back.
    let busy = keys.lock.is_some() || keys.deploy.as_ref().is_some_and(|kept| kept.ok().is_none());
    if busy || keys.record().is_some_and(Deploy::unfinished) || keys.draining.is_empty() {
        return Ok(());
    }
    let fleet = Fleet::read(store, Some(app)).await?;
    if unsure(&keys, &fleet).is_some() {
        return Ok(());
    }
    let limit = limits(context, &keys).lost;
    for (token, kept) in &keys.draining {
        let Some(draining) = kept.ok() else { continue };
        let ours = draining.release().is_some_and(|release| release.deploy.is_some());
        // Only who holds the lock runs what is left to be run.
        if ours || draining.finish.is_some() || !fleet.reaching(&keys, token).is_empty() {
            continue;
        }
        let stay = Stay::of(&fleet, token).is_some_and(|stay| !stay.is_over());
        if stay && draining.sessions.is_some_and(|until| until > Timestamp::now()) {
            continue;
        }
        let lost = missed(&fleet, draining, Timestamp::now());
        let key = AppKey::Draining(token.clone());
        let txn = Txn::new()
            .when(unlocked(&keys))
            .when(keys.unchanged(&AppKey::Deploy))
            .when(keys.unchanged(&key));
        let txn = match waits(&lost, limit).is_empty() {
            true => txn.delete(key.of(app)),
            false if lost == draining.lost => continue,
            false => txn.put(key.of(app), noted(draining, lost)?),
        };
        // Refused, someone else is at it.
        store.commit(txn).await?;
    }
    Ok(())
}
