//! Going back: one transaction on `active` and the previous release's announcement.

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{Before, Deploy, Previous, Stage, Step};
use shunt_config::store::Txn;
use shunt_config::{Active, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::flip;
use crate::history::{self, Open};
use crate::hold::holds;
use crate::lock::who;
use crate::time::later;

mod refused;

use refused::{no_warm_undo, refuse_a_stranger};

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
        /// Its entry of history, where it has one of its own.
        entry: Option<Open>,
    },
    /// Nothing was flipped yet: the running deploy is asked to stop.
    Stop(Txn),
    /// It is being taken back already.
    Already,
}

/// What undoing means for the app whose keys are `keys`, as `fleet` sees it. The transaction
/// compares `active`, the slots it goes back to, and the deploy's record; the lock may be held by
/// anyone.
pub fn undo(keys: &AppKeys, fleet: &Fleet) -> Result<Undo, Failure> {
    if let Some(Err(mistake)) = keys.deploy.as_ref().map(|kept| &kept.value) {
        let key = AppKey::Deploy.of(&keys.name);
        return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}")));
    }
    let record = keys.record();
    match record {
        Some(record) if record.undo.is_some() || record.stage == Stage::Undoing => {
            return Ok(Undo::Already);
        }
        // Until the hold is gone, no request was sent to its release.
        Some(record)
            if record.unfinished()
                && record.holds()
                && record.has_begun(Step::Release)
                && !holds(keys, record) =>
        {
            return Err(no_warm_undo(keys, record.version.as_deref()));
        }
        Some(record)
            if matches!(record.stage, Stage::Preparing | Stage::Announced | Stage::Canary)
                || (record.unfinished() && record.holds()) =>
        {
            if let Some(slot) = tried_beside(keys, record) {
                return back_by_record(keys, record, slot);
            }
            let asked = Deploy { undo: Some(who()), ..record.clone() };
            return Ok(Undo::Stop(put_record(condition(Txn::new(), keys), keys, &asked)?));
        }
        _ => {}
    }
    // A flip by hand that came after the last deploy is what there is to undo.
    if !record.is_some_and(Deploy::unfinished)
        && let Some(before) = history::remembered(keys)
    {
        return go_back(keys, fleet, before.active);
    }
    if let Some((record, slot)) = record.and_then(|record| Some((record, previous(keys, record)?)))
    {
        return back_by_record(keys, record, slot);
    }
    back_by_keys(keys, fleet)
}

/// The slot of the release that `record` would go back to, if it is still there and the one that
/// the record would undo gets all requests.
fn previous(keys: &AppKeys, record: &Deploy) -> Option<Slot> {
    let previous = record.previous.as_ref()?;
    let there = keys.slot(previous.slot).is_some_and(|kept| is_previous(kept, previous));
    (there && keys.active()?.only() == Some(previous.slot.other())).then_some(previous.slot)
}

/// The slot of the release beside which `record` tries another, if that goes on.
fn tried_beside(keys: &AppKeys, record: &Deploy) -> Option<Slot> {
    let (canary, previous) = (record.running_canary()?, record.previous.as_ref()?);
    let tried = canary.has_put(record.slot, keys.active()?);
    let there = keys.slot(previous.slot).is_some_and(|kept| is_previous(kept, previous));
    (tried && there).then_some(previous.slot)
}

/// Whether what is in a slot is `previous`: the same announcement, or the same containers after
/// they were put back into their slot. What is run by hand and put back is known by its version and
/// targets together: by its targets alone it is not, where each slot has ports of its own.
pub fn is_previous(kept: &Kept<shunt_config::Release>, previous: &Previous) -> bool {
    let same = |release: &shunt_config::Release| match &release.deploy {
        Some(deploy) => previous.deploy.as_ref() == Some(deploy),
        None => {
            release.version.is_some()
                && release.version == previous.version
                && release.targets == previous.targets
        }
    };
    kept.token == previous.token || kept.ok().is_some_and(same)
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
    let from = undone(keys, now, to);
    let mut undone = record.clone();
    if matches!(record.stage, Stage::Acknowledged | Stage::Warm) {
        // From here on the release undone is the one that a second undo would go back to.
        undone.before = Before { active: keys.active.as_ref().map(Kept::text), app };
        undone.previous = keys.slot(now.main()).map(|kept| as_previous(now.main(), kept));
    }
    // What a deploy does until it is over is in its own entry.
    let mut entry = None;
    if record.stage == Stage::Warm {
        undone.warm_until = Some(later(Timestamp::now(), record.limits.warm));
        entry = Some(open(keys, to, from.as_deref()).without_memory());
        txn = entry.iter().fold(txn, |txn, entry| entry.begin(txn, keys));
    } else {
        undone.undo = Some(who());
    }
    Ok(Undo::Back { txn: put_record(txn, keys, &undone)?, to, from, entry })
}

/// Where nothing is remembered: to the other slot, and from a split to the release that gets the
/// most. The one that gets less is what is being tried.
fn back_by_keys(keys: &AppKeys, fleet: &Fleet) -> Result<Undo, Failure> {
    let app = &keys.name;
    let now = match keys.active.as_ref().map(Kept::read) {
        Some(Ok(now)) => *now,
        Some(Err(mistake)) => {
            let key = AppKey::Active.of(app);
            let served = Slot::BOTH.into_iter().find(|slot| fleet.serving(*slot).is_some());
            let slot = served.unwrap_or(Slot::Blue);
            return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}"))
                .hint(format!("say where to go: `shuntctl flip {app} {slot}`")));
        }
        None => {
            return Err(Failure::usage(format!("`{app}` has no active release: nothing to undo")));
        }
    };
    go_back(keys, fleet, Active::all(now.only().map_or(now.main(), Slot::other)))
}

fn go_back(keys: &AppKeys, fleet: &Fleet, to: Active) -> Result<Undo, Failure> {
    let now = keys.active().unwrap_or(to);
    for (slot, _) in to.shares().filter(|(slot, _)| now.share(*slot) == 0) {
        refuse_a_stranger(keys, fleet, slot)?;
    }
    let from = undone(keys, now, to);
    let entry = open(keys, to, from.as_deref());
    let txn = entry.begin(condition(flip(keys, to)?, keys), keys);
    Ok(Undo::Back { txn, to, from, entry: Some(entry) })
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

fn open(keys: &AppKeys, to: Active, from: Option<&str>) -> Open {
    Open::new("undo", keys, to).reason(from.map(|version| format!("undid {version}")))
}

/// A release in its slot, as something to go back to.
pub fn as_previous(slot: Slot, kept: &Kept<shunt_config::Release>) -> Previous {
    let release = kept.ok();
    Previous {
        slot,
        token: kept.token.clone(),
        version: release.and_then(|release| release.version.clone()),
        deploy: release.and_then(|release| release.deploy.clone()),
        targets: release
            .filter(|release| release.deploy.is_none())
            .map(|release| release.targets.clone())
            .unwrap_or_default(),
    }
}

/// What people call the release that gets less once `active` is `to`.
fn undone(keys: &AppKeys, now: Active, to: Active) -> Option<String> {
    let slot = Slot::BOTH.into_iter().find(|slot| now.share(*slot) > to.share(*slot))?;
    keys.slot(slot)?.ok()?.version.clone()
}
