//! What is kept of finished deploys, flips and undos: the last fifty.

use jiff::Timestamp;
use shunt_config::Token;
use shunt_config::key::AppKey;
use shunt_config::record::{HISTORY_KEPT, History, Outcome, StepTime};
use shunt_config::store::{Condition, Store, Txn};

use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::lock::who;

/// A name that sorts by time and is not given twice: `20260801T093012345-7f3ac2d1`.
pub fn new_id() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3f").to_string();
    format!("{now}-{:08x}", fastrand::u32(..))
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
        version: None,
        image: None,
        outcome,
        reason: None,
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

/// Writes down under `key`, if what was put there as `token` still stands, that `entry` did not
/// come to the end it was written with. History is no reason to fail for: what is lost is lost.
pub async fn correct(
    store: &dyn Store,
    key: &str,
    token: Option<Token>,
    entry: History,
    failure: &Failure,
) {
    let outcome = match failure.exit {
        Exit::Superseded => Outcome::Superseded,
        _ => Outcome::Unacknowledged,
    };
    let ended = Timestamp::now();
    let entry = History { outcome, ended, reason: Some(failure.said.clone()), ..entry };
    if let (Some(token), Ok(value)) = (token, serde_json::to_vec(&entry)) {
        let same = Condition::Is(key.to_owned(), token);
        let _ = store.commit(Txn::new().when(same).put(key, value)).await;
    }
}
