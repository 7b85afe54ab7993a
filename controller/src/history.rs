//! What is kept of finished deploys, flips and undos: the last fifty. It is also what `undo` goes
//! back by where no deploy has left a record.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use shunt_config::key::AppKey;
pub use shunt_config::record::History;
use shunt_config::record::{HISTORY_KEPT, Outcome, Previous, Served, StepTime};
use shunt_config::store::{self, Condition, Store, Txn};
use shunt_config::{Active, AppName, Release, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::{Exit, Failure};
use crate::lock::who;
use crate::undo::{as_previous, is_previous};

/// A name that sorts by time and is not given twice: `20260801T093012345-7f3ac2d1`.
pub fn new_id() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3f").to_string();
    format!("{now}-{:08x}", fastrand::u32(..))
}

/// When what has the name `id` began, by the clock of whoever began it.
pub fn began(id: &str) -> Option<Timestamp> {
    let (time, _) = id.split_once('-')?;
    // With milliseconds or without; a second more or less is no matter.
    let time = DateTime::strptime("%Y%m%dT%H%M%S", time.get(..15)?).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// An entry about what begins and ends now, to be filled in.
pub fn entry(verb: &str, outcome: Outcome) -> History {
    let now = Timestamp::now();
    History {
        verb: verb.to_owned(),
        who: who(),
        began: now,
        ended: now,
        active: None,
        serving: Vec::new(),
        before: None,
        version: None,
        image: None,
        image_id: None,
        idle: None,
        outcome,
        reason: None,
        gave_way: None,
        mirrored: None,
        left: Vec::new(),
        steps: Vec::<StepTime>::new(),
    }
}

/// Adds `entry` to `txn`, and takes the oldest out.
pub fn add(txn: Txn, keys: &AppKeys, id: &str, entry: &History) -> Txn {
    // Serialising strings and times does not fail; an empty entry would be refused on reading.
    let value = serde_json::to_vec(entry).unwrap_or_default();
    let txn = txn.put(AppKey::History(id.to_owned()).of(&keys.name), value);
    // At most a few at a time: a transaction has its limit, and the next one goes on.
    let surplus = (keys.history.len() + 1).saturating_sub(HISTORY_KEPT).min(16);
    keys.history
        .keys()
        .filter(|old| *old != id)
        .take(surplus)
        .fold(txn, |txn, old| txn.delete(AppKey::History(old.clone()).of(&keys.name)))
}

/// A flip or undo that has begun. It is written down together with `active`, as one that nobody
/// knows the end of: whoever is killed while it waits has no chance to write that.
#[derive(Debug)]
pub struct Open {
    app: AppName,
    id: String,
    entry: Box<History>,
}

impl Open {
    /// `active` is about to be put to `to`, in the place of what `keys` show.
    pub fn new(verb: &str, keys: &AppKeys, to: Active) -> Self {
        let mut entry = entry(verb, Outcome::Done);
        entry.active = Some(to.to_string());
        entry.serving = releases(keys, to);
        entry.before = match keys.active() {
            // Put once more, it takes the place of what it took the place of before.
            Some(now) if now == to => remembered(keys),
            now => now.map(|active| Served { active, releases: releases(keys, active) }),
        };
        Self { app: keys.name.clone(), id: new_id(), entry: Box::new(entry) }
    }

    /// Something that leaves `active` as it is.
    pub fn plain(verb: &str, keys: &AppKeys) -> Self {
        let entry = Box::new(entry(verb, Outcome::Done));
        Self { app: keys.name.clone(), id: new_id(), entry }
    }

    /// The same with a reason to read.
    #[must_use]
    pub fn reason(mut self, reason: Option<String>) -> Self {
        self.entry.reason = reason;
        self
    }

    /// The same for what a deploy's record remembers.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.entry.before = None;
        self
    }

    /// Adds it to the transaction that puts `active`.
    pub fn begin(&self, txn: Txn, keys: &AppKeys) -> Txn {
        let reason = Some("not over yet, or cut short".to_owned());
        let outcome = Outcome::Unacknowledged;
        add(txn, keys, &self.id, &History { outcome, reason, ..*self.entry.clone() })
    }

    /// Writes down how it ended, if what `begun` put there still stands. History is no reason to
    /// fail for: what is lost is lost.
    pub async fn end(
        self,
        store: &dyn Store,
        begun: &store::Outcome,
        result: &Result<(), Failure>,
    ) {
        let key = AppKey::History(self.id).of(&self.app).to_string();
        let Some(token) = begun.token(&key) else { return };
        let (outcome, reason) = match result {
            Ok(()) => (Outcome::Done, self.entry.reason.clone()),
            Err(failure) => (outcome(failure.exit), Some(failure.said.clone())),
        };
        let entry = History { outcome, reason, ended: Timestamp::now(), ..*self.entry };
        if let Ok(value) = serde_json::to_vec(&entry) {
            let same = Condition::Is(key.clone(), token);
            let _ = store.commit(Txn::new().when(same).put(key, value)).await;
        }
    }
}

fn outcome(exit: Exit) -> Outcome {
    match exit {
        Exit::Superseded => Outcome::Superseded,
        Exit::Undone => Outcome::Undone,
        _ => Outcome::Unacknowledged,
    }
}

fn releases(keys: &AppKeys, active: Active) -> Vec<Previous> {
    let shares = active.shares();
    shares.filter_map(|(slot, _)| Some(as_previous(slot, keys.slot(slot)?))).collect()
}

/// What the last flip or undo took the place of, if `active` is still what that put.
pub fn remembered(keys: &AppKeys) -> Option<Served> {
    let changed = |entry: &&History| {
        entry.active.is_some() && (entry.verb != "deploy" || entry.outcome == Outcome::Done)
    };
    let last = keys.history.values().rev().filter_map(Kept::ok).find(changed)?;
    let put: Option<Active> = last.active.as_deref()?.parse().ok();
    last.before.clone().filter(|_| put.is_some() && put == keys.active())
}

/// The last deploy that went through.
pub fn last_deploy(keys: &AppKeys) -> Option<&History> {
    let mut entries = keys.history.values().rev().filter_map(Kept::ok);
    entries.find(|entry| entry.verb == "deploy" && entry.outcome == Outcome::Done)
}

/// The release of `slot` that a deploy has stopped to have its ports, and what that deploy's is called;
/// `None` if one has gone through since.
pub fn gave_way(keys: &AppKeys, slot: Slot) -> Option<(&Previous, Option<&str>)> {
    let deploys = keys.history.values().rev().filter_map(Kept::ok);
    for entry in deploys.filter(|entry| entry.verb == "deploy") {
        if let Some(old) = entry.gave_way.as_ref().filter(|old| old.slot == slot) {
            return Some((old, entry.version.as_deref()));
        }
        if entry.outcome == Outcome::Done {
            return None;
        }
    }
    None
}

/// Whether the deploy `id` went through, as far as is known.
pub fn went_through(keys: &AppKeys, id: &str) -> bool {
    let entry = keys.history.get(id).and_then(Kept::ok);
    entry.is_some_and(|entry| entry.verb == "deploy" && entry.outcome == Outcome::Done)
}

/// What the engines call the image of the deploy `id`, where its name may stand for another one by now.
pub fn image_id(keys: &AppKeys, id: &str) -> Option<String> {
    let running = keys.record().filter(|record| record.id == id);
    let running = running.and_then(|record| record.image_id.clone());
    running.or_else(|| keys.history.get(id).and_then(Kept::ok)?.image_id.clone())
}

/// Whether any entry tells that what is in a slot was active.
pub fn tells_of(keys: &AppKeys, kept: &Kept<Release>) -> bool {
    let deploy = kept.ok().and_then(|release| release.deploy.as_ref());
    keys.history.iter().filter_map(|(id, entry)| Some((id, entry.ok()?))).any(|(id, entry)| {
        let before = entry.before.iter().flat_map(|before| &before.releases);
        entry.serving.iter().chain(before).any(|known| is_previous(kept, known))
            || (entry.outcome == Outcome::Done && Some(id) == deploy)
    })
}
