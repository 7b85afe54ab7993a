//! What `undo` does not go back to, and why.

use shunt_config::Slot;
use shunt_config::record::{Deploy, Previous, Step};

use super::is_previous;
use crate::app_keys::AppKeys;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::history;

/// A release that never was active, as far as anyone can tell, is nothing to go back to.
pub(super) fn refuse_a_stranger(keys: &AppKeys, fleet: &Fleet, slot: Slot) -> Result<(), Failure> {
    let app = &keys.name;
    let Some(kept) = keys.slot(slot).filter(|kept| kept.ok().is_some()) else {
        if let Some(last) = history::last_deploy(keys)
            && last.steps.iter().any(|time| time.step == Step::Stop)
        {
            return Err(no_warm_undo(keys, last.version.as_deref()));
        }
        if let Some((old, by)) = history::gave_way(keys, slot) {
            return Err(gave_way(keys, old, by));
        }
        let said = format!("`{app}` has nothing to go back to: `{slot}` is empty");
        let hint = "its release was retired; deploy the version you want again";
        return Err(Failure::usage(said).hint(hint));
    };
    let by_record = |record: &Deploy| {
        let own = kept.ok().is_some_and(|release| release.deploy.as_ref() == Some(&record.id));
        own || record.previous.as_ref().is_some_and(|previous| is_previous(kept, previous))
    };
    let known = fleet.naming(&kept.token).is_some()
        || history::tells_of(keys, kept)
        || keys.record().is_some_and(by_record);
    if known {
        return Ok(());
    }
    let said = format!(
        "nothing tells that what is in `{slot}` of `{app}` now was active before: neither its \
         history nor a proxy"
    );
    Err(Failure::usage(said)
        .hint(format!("to go there all the same: `shuntctl flip {app} {slot}`")))
}

/// Nothing is warm after a deploy by strategy `hold`.
pub(super) fn no_warm_undo(keys: &AppKeys, version: Option<&str>) -> Failure {
    let (app, version) = (&keys.name, version.unwrap_or("its release"));
    let said = format!(
        "`{app}` cannot go back in one step: {version} was deployed by strategy `hold`, which has \
         stopped the release before it, and a migration stays made"
    );
    Failure::usage(said)
        .hint(format!("deploy the version you want: `shuntctl undo {app} --to VERSION`"))
}

/// What ran on fixed ports was stopped for whatever was to run there next.
fn gave_way(keys: &AppKeys, old: &Previous, by: Option<&str>) -> Failure {
    let (app, by) = (&keys.name, by.unwrap_or("the next release"));
    let version = old.version.as_deref().unwrap_or("the release before");
    let said = format!(
        "`{app}` cannot go back to {version}: it was stopped before {by} could start, since both have \
         the same ports"
    );
    Failure::usage(said).hint(match &old.version {
        Some(version) => format!("deploy it again: `shuntctl undo {app} --to {version}`"),
        None => "deploy the version you want again".to_owned(),
    })
}
