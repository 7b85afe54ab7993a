//! What is wrong with an app's keys, and what to do about it.

use shunt_config::{Engine, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::retire::left;

pub(super) fn problems(keys: &AppKeys, half_done: bool) -> Vec<String> {
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

fn names(engines: &[Engine]) -> String {
    engines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn mistake<T>(kept: Option<&Kept<T>>) -> Option<String> {
    kept?.value.as_ref().err().map(ToString::to_string)
}
