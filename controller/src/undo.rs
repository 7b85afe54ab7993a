//! Going back: one transaction on `active` and the previous release's announcement.

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{Before, Deploy, Outcome, Previous, Stage};
use shunt_config::store::Txn;
use shunt_config::{Active, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;
use crate::history;
use crate::lock::who;
use crate::time::later;

/// What undoing means for an app as it stands.
#[derive(Debug)]
pub enum Undo {
    /// `active` goes back to `to`.
    Back {
        /// The one transaction.
        txn: Txn,
        /// Where new requests will go.
        to: Active,
        /// What people call the release undone.
        from: Option<String>,
    },
    /// Nothing was flipped yet: the running deploy is asked to stop.
    Stop(Txn),
    /// It is being taken back already.
    Already,
}

/// What undoing means for the app whose keys are `keys`. The transaction compares `active`, the
/// slot it goes back to, and the deploy's record; the lock may be held by anyone.
pub fn undo(keys: &AppKeys) -> Result<Undo, Failure> {
    if let Some(Err(mistake)) = keys.deploy.as_ref().map(|kept| &kept.value) {
        let key = AppKey::Deploy.of(&keys.name);
        return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}")));
    }
    match keys.record() {
        Some(record) if record.undo.is_some() || record.stage == Stage::Undoing => {
            Ok(Undo::Already)
        }
        Some(record) if record.stage < Stage::Flipped => {
            let asked = Deploy { undo: Some(who()), ..record.clone() };
            Ok(Undo::Stop(put_record(condition(Txn::new(), keys), keys, &asked)?))
        }
        Some(record) => {
            if let Some(slot) = previous(keys, record) {
                return back_by_record(keys, record, slot);
            }
            refuse_a_stranger(keys, record)?;
            back_to_other(keys)
        }
        None => back_to_other(keys),
    }
}

/// The slot of the release that `record` would go back to, if it is still there and not active.
fn previous(keys: &AppKeys, record: &Deploy) -> Option<Slot> {
    let previous = record.previous.as_ref()?;
    let there = keys.slot(previous.slot).is_some_and(|kept| is_previous(kept, previous));
    (there && keys.active()?.share(previous.slot) < 100).then_some(previous.slot)
}

/// Whether what is in a slot is `previous`: the same announcement, or the same containers after
/// they were put back into their slot.
pub fn is_previous(kept: &Kept<shunt_config::Release>, previous: &Previous) -> bool {
    let same_deploy =
        || kept.ok().is_some_and(|r| r.deploy.is_some() && r.deploy == previous.deploy);
    kept.token == previous.token || same_deploy()
}

/// A release that was put into the standby slot since, and has never been active, is nothing to go
/// back to.
fn refuse_a_stranger(keys: &AppKeys, record: &Deploy) -> Result<(), Failure> {
    let standby = keys.active().map(|active| active.main().other());
    let Some((slot, kept)) = standby.and_then(|slot| Some((slot, keys.slot(slot)?))) else {
        return Ok(());
    };
    let own = kept.ok().is_some_and(|release| release.deploy.as_ref() == Some(&record.id));
    let was_active = record.previous.as_ref().is_some_and(|previous| is_previous(kept, previous));
    if own || was_active {
        return Ok(());
    }
    let said = format!("what is in `{slot}` of `{}` now was not active before", keys.name);
    let hint = format!("to go there all the same: `shuntctl flip {} {slot}`", keys.name);
    Err(Failure::usage(said).hint(hint))
}

fn back_by_record(keys: &AppKeys, record: &Deploy, slot: Slot) -> Result<Undo, Failure> {
    let now = keys.active().unwrap_or(Active::all(slot.other()));
    let to = record.before.active().filter(|a| a.share(slot) > 0).unwrap_or(Active::all(slot));
    let mut txn = condition(flip_back(keys, slot, to), keys);
    // Settings that came with the release go with it, unless someone has changed them since.
    let app = keys.app.as_ref().map(Kept::text);
    if let (Some(before), Some(app)) = (&record.before.app, &app)
        && before != app
    {
        txn = txn.when(keys.unchanged(&AppKey::App));
        txn = txn.put(AppKey::App.of(&keys.name), before.clone());
    }
    let from = version(keys, now.main());
    let mut undone = record.clone();
    if record.stage > Stage::Flipped {
        // From here on the release undone is the one that a second undo would go back to.
        undone.before = Before { active: keys.active.as_ref().map(Kept::text), app };
        undone.previous = keys.slot(now.main()).map(|kept| as_previous(now.main(), kept));
    }
    if record.stage == Stage::Warm {
        undone.warm_until = Some(later(Timestamp::now(), record.limits.warm));
        txn = history::add(txn, keys, &history::new_id(), &entry(to, from.clone()));
    } else {
        undone.undo = Some(who());
    }
    Ok(Undo::Back { txn: put_record(txn, keys, &undone)?, to, from })
}

/// Without a record the only thing to go back to is the other slot.
fn back_to_other(keys: &AppKeys) -> Result<Undo, Failure> {
    let app = &keys.name;
    let now = match keys.active.as_ref().map(Kept::read) {
        Some(Ok(now)) => *now,
        Some(Err(mistake)) => {
            let key = AppKey::Active.of(app);
            return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}"))
                .hint(format!("say where to go: `shuntctl flip {app} blue`")));
        }
        None => {
            return Err(Failure::usage(format!("`{app}` has no active release: nothing to undo")));
        }
    };
    let slot = now.main().other();
    if keys.slot(slot).is_none_or(|kept| kept.ok().is_none()) {
        let said = format!("`{app}` has nothing to go back to: `{slot}` is empty");
        let hint = "its release was retired; deploy the version you want again";
        return Err(Failure::usage(said).hint(hint));
    }
    let (to, from) = (Active::all(slot), version(keys, now.main()));
    let txn = condition(flip_back(keys, slot, to), keys);
    let txn = history::add(txn, keys, &history::new_id(), &entry(to, from.clone()));
    Ok(Undo::Back { txn, to, from })
}

fn flip_back(keys: &AppKeys, slot: Slot, to: Active) -> Txn {
    Txn::new()
        .when(keys.unchanged(&AppKey::Active))
        .when(keys.unchanged(&AppKey::Slot(slot)))
        .put(AppKey::Active.of(&keys.name), to.to_string())
}

fn condition(txn: Txn, keys: &AppKeys) -> Txn {
    txn.when(keys.unchanged(&AppKey::Deploy))
}

fn put_record(txn: Txn, keys: &AppKeys, record: &Deploy) -> Result<Txn, Failure> {
    let value = serde_json::to_vec(record).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(txn.put(AppKey::Deploy.of(&keys.name), value))
}

fn entry(to: Active, from: Option<String>) -> shunt_config::record::History {
    let mut entry = history::entry("undo", Outcome::Done);
    entry.active = Some(to.to_string());
    entry.reason = from.map(|version| format!("undid {version}"));
    entry
}

/// A release in its slot, as something to go back to.
pub fn as_previous(slot: Slot, kept: &Kept<shunt_config::Release>) -> Previous {
    let release = kept.ok();
    Previous {
        slot,
        token: kept.token.clone(),
        version: release.and_then(|release| release.version.clone()),
        deploy: release.and_then(|release| release.deploy.clone()),
    }
}

fn version(keys: &AppKeys, slot: Slot) -> Option<String> {
    keys.slot(slot)?.ok()?.version.clone()
}
