//! Changing `active`.

use shunt_config::Active;
use shunt_config::key::AppKey;
use shunt_config::store::{Condition, Txn};

use crate::ack::join;
use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;

/// Puts `active` in one transaction that compares it, and the slots that are to get requests, as
/// they stand in `keys`.
pub fn flip(keys: &AppKeys, to: Active) -> Result<Txn, Failure> {
    let app = &keys.name;
    let mut txn = Txn::new().when(keys.unchanged(&AppKey::Active));
    for (slot, _) in to.shares() {
        match keys.slot(slot).map(|kept| &kept.value) {
            Some(Ok(_)) => txn = txn.when(keys.unchanged(&AppKey::Slot(slot))),
            Some(Err(mistake)) => {
                return Err(Failure::usage(format!(
                    "`{app}` `{slot}` cannot be served: {mistake}"
                )));
            }
            None => {
                let hint = format!("put one there: `shuntctl announce {app} {slot} HOST:PORT`");
                let said = format!("`{app}` has no release in `{slot}`");
                return Err(Failure::usage(said).hint(hint));
            }
        }
    }
    Ok(txn.put(AppKey::Active.of(app), to.to_string()))
}

/// The condition that nobody holds the lock of the app.
pub fn unlocked(keys: &AppKeys) -> Condition {
    Condition::Absent(AppKey::Lock.of(&keys.name).to_string())
}

/// An error unless there is a proxy that could acknowledge a flip.
pub fn someone_serves(fleet: &Fleet) -> Result<(), Failure> {
    if fleet.is_empty() {
        let hint = "start `shunt-proxy` with this store; `shuntctl proxy list` shows those known";
        return Err(Failure::new(Exit::Unhealthy, "no proxy is known to this store").hint(hint));
    }
    if fleet.live().next().is_none() {
        let names = join(fleet.lost());
        let said = format!("no proxy is running: {names} known, none gives a sign of life");
        let hint = "start one; `shuntctl proxy forget NAME` forgets one that will not come back";
        return Err(Failure::new(Exit::Unhealthy, said).hint(hint));
    }
    Ok(())
}
