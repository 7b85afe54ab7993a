//! Putting a release into a slot.

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{Draining, Finish, Stage};
use shunt_config::store::Txn;
use shunt_config::{Release, Slot, Token};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;
use crate::undo::is_previous;

/// Puts `release` into `slot` in one transaction that compares `active` and the slot as they stand
/// in `keys`. What was in the slot goes to `draining/`, since it may still have requests or
/// containers; its token is returned. Its visitors may stay on it until `stays`.
pub fn announce(
    keys: &AppKeys,
    slot: Slot,
    release: &Release,
    stays: Option<Timestamp>,
) -> Result<(Txn, Option<Token>), Failure> {
    let value = serde_json::to_vec(release).map_err(|e| Failure::usage(e.to_string()))?;
    let txn = Txn::new()
        .when(keys.unchanged(&AppKey::Active))
        .when(keys.unchanged(&AppKey::Slot(slot)))
        .put(AppKey::Slot(slot).of(&keys.name), value);
    match keys.slot(slot) {
        Some(old) => {
            let txn = displace(txn, keys, slot, stays)?;
            Ok((txn, Some(old.token.clone())))
        }
        None => Ok((txn, None)),
    }
}

/// Adds to `txn` that what is in `slot` is kept under `draining/`, where its visitors may stay on it
/// until `stays`.
pub fn displace(
    txn: Txn,
    keys: &AppKeys,
    slot: Slot,
    stays: Option<Timestamp>,
) -> Result<Txn, Failure> {
    let Some(old) = keys.slot(slot) else { return Ok(txn) };
    let draining = Draining {
        slot,
        value: old.text(),
        since: Timestamp::now(),
        sessions: stays,
        ended: None,
        lost: [].into(),
        finish: finish(keys, old),
    };
    let value = serde_json::to_vec(&draining).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(txn.put(AppKey::Draining(old.token.clone()).of(&keys.name), value))
}

/// What the deploy after `old` has left to be run once `old` is gone for good.
fn finish(keys: &AppKeys, old: &Kept<Release>) -> Option<Finish> {
    let record = keys.record()?;
    let last = match record.stage {
        Stage::Warm => record,
        // Nothing goes back to what it has stopped.
        Stage::Acknowledged if record.holds() => record,
        _ => record.earlier.as_deref()?,
    };
    last.finish().filter(|_| last.previous.as_ref().is_some_and(|p| is_previous(old, p)))
}
