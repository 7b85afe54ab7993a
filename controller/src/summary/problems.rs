//! What is wrong with an app's keys, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use shunt_config::{Engine, ProxyName, Slot};

use super::lines::idle;
use crate::ack::join;
use crate::app_keys::{AppKeys, Kept};
use crate::fleet::Fleet;
use crate::retire::left;

pub(super) fn problems(keys: &AppKeys, fleet: &Fleet, half_done: bool) -> Vec<String> {
    let app = &keys.name;
    let mut problems = Vec::new();
    let mut wrong = |key: String, mistake: Option<String>| {
        problems.extend(mistake.map(|mistake| format!("`apps/{app}/{key}`: {mistake}")));
    };
    wrong("app".into(), mistake(keys.app.as_ref()));
    wrong("active".into(), mistake(keys.active.as_ref()));
    wrong("hold".into(), mistake(keys.hold.as_ref()));
    wrong("mirror".into(), mistake(keys.mirror.as_ref()));
    wrong("lock".into(), mistake(keys.lock.as_ref()));
    wrong("deploy".into(), mistake(keys.deploy.as_ref()));
    for slot in Slot::BOTH {
        wrong(slot.to_string(), mistake(keys.slot(slot)));
    }
    for (token, kept) in &keys.draining {
        wrong(format!("draining/{token}"), mistake(Some(kept)));
    }
    problems.extend(keys.unknown.values().map(ToString::to_string));
    if let Some(active) = keys.active() {
        let empty = active.shares().filter(|(slot, _)| keys.slot(*slot).is_none());
        problems.extend(empty.map(|(slot, _)| format!("`active` names `{slot}`, which is empty")));
    }
    problems.extend(nobody(keys, fleet));
    problems.extend(refusals(keys, fleet, &problems));
    problems.extend(waiting(fleet));
    problems.extend(down(keys, fleet));
    problems.extend(fleet.namesakes());
    if idle(keys).is_some() {
        problems.push(format!(
            "the workers of what is active do not run, those of the release before it do: \
             `shuntctl undo {app}` goes back"
        ));
    }
    if keys.app.is_none() {
        problems.push(format!(
            "`apps/{app}/app` is missing: put its hosts there, or finish with `shuntctl remove {app}`"
        ));
    }
    if half_done {
        let on = keys.record().map(|record| names(&record.engines)).unwrap_or_default();
        let on = if on.is_empty() { on } else { format!(" (on {on})") };
        problems.push(format!(
            "a deploy is half done{on}: `shuntctl resume {app}` finishes or undoes it"
        ));
    }
    for (_, entry) in left(keys) {
        let (version, on) = (entry.version.as_deref().unwrap_or("a release"), names(&entry.left));
        problems.push(format!(
            "containers of {version}, which was undone, may be left on {on}: `shuntctl resume {app}` \
             removes them once it answers"
        ));
    }
    problems
}

/// That no proxy is there for what is to be served.
fn nobody(keys: &AppKeys, fleet: &Fleet) -> Option<String> {
    keys.active().filter(|_| fleet.live().next().is_none())?;
    Some(match join(fleet.lost()) {
        none if none.is_empty() => "no proxy is known to this store".to_owned(),
        lost => format!("no proxy is running: none gives a sign of life of {lost}"),
    })
}

/// What proxies do not serve yet, though it is asked for.
fn waiting(fleet: &Fleet) -> Vec<String> {
    let mut waiting: BTreeMap<&str, BTreeSet<&ProxyName>> = BTreeMap::new();
    for (name, proxy) in fleet.live() {
        for pending in proxy.statuses().filter_map(|status| status.pending.as_ref()) {
            waiting.entry(&pending.reason).or_default().insert(name);
        }
    }
    let text = |(reason, by): (&str, BTreeSet<&ProxyName>)| {
        let by = join(by);
        format!("what is asked for is not served by {by}: {reason}; what it served before stays")
    };
    waiting.into_iter().map(text).collect()
}

/// What proxies refuse, but for values that `known` problems tell of already.
fn refusals(keys: &AppKeys, fleet: &Fleet, known: &[String]) -> Vec<String> {
    let mut refusals: BTreeMap<(&str, &str), BTreeSet<&ProxyName>> = BTreeMap::new();
    for (name, proxy) in fleet.live() {
        for refusal in proxy.statuses().flat_map(|status| &status.refused) {
            let own = (refusal.key.as_str(), refusal.reason.as_str());
            refusals.entry(own).or_default().insert(name);
        }
    }
    let new = |key: &str| !known.iter().any(|known| known.starts_with(&format!("`{key}`: ")));
    let text = |((key, reason), by): ((&str, &str), BTreeSet<&ProxyName>)| {
        let by = join(by);
        format!("{by} refuses `{key}`: {reason}; until that is mended, what it served before stays")
    };
    let served = |key: &str| key.starts_with(&AppKeys::prefix(&keys.name));
    refusals.into_iter().filter(|((key, _), _)| new(key) && served(key)).map(text).collect()
}

/// What gets requests though a target of it, or none, answers.
fn down(keys: &AppKeys, fleet: &Fleet) -> Vec<String> {
    let app = &keys.name;
    let shares = keys.active().into_iter().flat_map(shunt_config::Active::shares);
    // A deploy that holds the app has stopped them itself, and starts what comes next.
    let held = keys.hold.as_ref().and_then(Kept::ok).is_some_and(|hold| hold.deploy.is_some());
    let text = |slot: Slot| {
        let Some(kept) = keys.slot(slot) else { return Vec::new() };
        let release = kept.ok();
        let version = release.and_then(|release| release.version.as_deref());
        let version = version.map(|version| format!(" ({version})")).unwrap_or_default();
        let mended = release.is_some_and(|release| release.deploy.is_some()) && !held;
        let mend = if mended {
            format!(": `shuntctl mend {app}` starts containers that are gone")
        } else {
            String::new()
        };
        if let Some((by, why)) = fleet.finds_none_healthy(&kept.token) {
            let undo = if mended { ", `undo` goes back" } else { "" };
            let of = format!("no target of `{slot}`{version}");
            return vec![format!("{of} is healthy, says {by}: {why}{mend}{undo}")];
        }
        let one = |(target, (by, why)): (&str, (BTreeSet<&ProxyName>, &str))| {
            let by = join(by);
            format!("target {target} of `{slot}`{version} is not healthy, says {by}: {why}{mend}")
        };
        fleet.failing(&kept.token).into_iter().map(one).collect()
    };
    shares.flat_map(|(slot, _)| text(slot)).collect()
}

fn names(engines: &[Engine]) -> String {
    engines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn mistake<T>(kept: Option<&Kept<T>>) -> Option<String> {
    kept?.value.as_ref().err().map(ToString::to_string)
}
