//! Changing `active`, and waiting for what the proxies say to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use shunt_config::key::AppKey;
use shunt_config::store::{Condition, Txn};
use shunt_config::{Active, ProxyName, Token};

use crate::ack::{Ack, Expected};
use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};

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

/// How the proxies took a flip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Every live proxy serves what was asked for; the lost ones were not waited for.
    Applied {
        /// How many said so.
        by: usize,
        /// Known proxies without a sign of life.
        lost: Vec<ProxyName>,
    },
    /// At least one proxy cannot serve it.
    Refused(BTreeMap<ProxyName, String>),
    /// Someone put `active`, or a slot it names, meanwhile.
    Superseded(String),
    /// Not every live proxy said so in time.
    TimedOut(String),
}

impl Taken {
    /// What came of waiting for it.
    pub(crate) fn of(waited: Result<Waited<Self>, Self>) -> Self {
        match waited {
            Ok(Waited::Done(taken)) | Err(taken) => taken,
            Ok(Waited::TimedOut(waits)) => Self::TimedOut(waits),
        }
    }
}

/// That no proxy gives a sign of life, in words: for a moment, where the store has just lost their leases.
pub(crate) fn silent<'a>(lost: impl IntoIterator<Item = &'a ProxyName>) -> String {
    match join(lost) {
        none if none.is_empty() => "no proxy is known to this store".to_owned(),
        lost => format!("waiting for a sign of life of {lost}"),
    }
}

/// Who has acknowledged, in words.
pub fn applied(by: usize, lost: &[ProxyName]) -> String {
    let missed = match lost.is_empty() {
        true => String::new(),
        false => format!("; not waited for, since lost: {}", join(lost)),
    };
    format!("by {by} prox{}{missed}", if by == 1 { "y" } else { "ies" })
}

/// Waits until every live proxy serves what is `expected`, at most for `limit`.
pub async fn acknowledged(
    sight: &mut Sight,
    expected: &Expected,
    limit: Duration,
    tell: &mut Tell<'_>,
) -> Taken {
    let waited = sight
        .wait(limit, tell, |keys, fleet| {
            if let Some(said) = superseded(keys, expected) {
                return Err(Taken::Superseded(said));
            }
            judge(&fleet.acks(expected))
        })
        .await;
    Taken::of(waited)
}

pub(crate) fn judge(acks: &BTreeMap<ProxyName, Ack>) -> Result<Look<Taken>, Taken> {
    let mut refused = BTreeMap::new();
    let (mut waits, mut text) = (Vec::new(), String::new());
    let (mut by, mut lost) = (0, Vec::new());
    for (name, ack) in acks {
        match ack {
            Ack::Applied => by += 1,
            Ack::Lost => lost.push(name.clone()),
            Ack::Refused(why) => drop(refused.insert(name.clone(), why.clone())),
            Ack::Waiting(why) => {
                waits.push(name.as_str());
                // Writing to a String does not fail.
                let _ = write!(text, "{}{name} ({why})", if text.is_empty() { "" } else { ", " });
            }
        }
    }
    if !refused.is_empty() {
        return Err(Taken::Refused(refused));
    }
    match (waits.is_empty(), by) {
        (true, 1..) => Ok(Look::Done(Taken::Applied { by, lost })),
        (true, 0) => Ok(Look::Wait(String::new(), silent(&lost))),
        (false, _) => Ok(Look::Wait(waits.join(" "), format!("waiting for {text}"))),
    }
}

/// Whether the keys ask for something else by now.
pub fn superseded(keys: &AppKeys, expected: &Expected) -> Option<String> {
    match Expected::of(keys) {
        Some(now) if now == *expected => None,
        Some(now) if now.active != expected.active => Some("`active` was put again".to_owned()),
        Some(_) => Some("a slot or the app's settings were put again".to_owned()),
        None => Some("`active`, or the slot it names, was deleted or cannot be read".to_owned()),
    }
}

/// How letting go of a release went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// No live proxy has a request on it; the lost ones cannot say.
    Empty {
        /// Known proxies without a sign of life.
        lost: Vec<ProxyName>,
    },
    /// Requests were left when the time was over.
    Left(BTreeMap<ProxyName, Option<u64>>),
}

/// Waits until no live proxy names `tokens` any more, at most for `limit`. With `all`, lost
/// proxies are waited for, too.
pub async fn drained(
    sight: &mut Sight,
    tokens: &[Token],
    limit: Duration,
    all: bool,
    tell: &mut Tell<'_>,
) -> Drained {
    let waited: Result<Waited<Drained>, std::convert::Infallible> = sight
        .wait(limit, tell, |keys, fleet| {
            let holding = holding(keys, fleet, tokens);
            let lost: Vec<ProxyName> = fleet.lost().cloned().collect();
            if !holding.is_empty() {
                let key = join(holding.keys());
                return Ok(Look::Wait(key, format!("waiting for {}", leases(&holding))));
            }
            if all && !lost.is_empty() {
                let names = join(&lost);
                return Ok(Look::Wait(names.clone(), format!("waiting for {names}, lost")));
            }
            Ok(Look::Done(Drained::Empty { lost }))
        })
        .await;
    match waited {
        Ok(Waited::Done(drained)) => drained,
        Ok(Waited::TimedOut(_)) => {
            let mut left = holding(&sight.keys, &sight.fleet, tokens);
            left.extend(sight.fleet.lost().filter(|_| all).map(|name| (name.clone(), None)));
            Drained::Left(left)
        }
        Err(never) => match never {},
    }
}

fn holding(keys: &AppKeys, fleet: &Fleet, tokens: &[Token]) -> BTreeMap<ProxyName, Option<u64>> {
    let mut holding = BTreeMap::new();
    for (name, leases) in tokens.iter().flat_map(|token| fleet.holding(keys, token)) {
        let sum = holding.entry(name).or_insert(Some(0));
        *sum = sum.zip(leases).map(|(a, b): (u64, u64)| a + b);
    }
    holding
}

/// Who still has how many requests on a release, in words.
pub fn leases(holding: &BTreeMap<ProxyName, Option<u64>>) -> String {
    let say = |(name, leases): (&ProxyName, &Option<u64>)| match leases {
        Some(1) => format!("1 request on {name}"),
        Some(n) => format!("{n} requests on {name}"),
        None => format!("{name}, which does not say how many"),
    };
    holding.iter().map(say).collect::<Vec<_>>().join(", ")
}

/// Names in a row.
pub fn join<'a>(names: impl IntoIterator<Item = &'a ProxyName>) -> String {
    names.into_iter().map(ProxyName::as_str).collect::<Vec<_>>().join(", ")
}
