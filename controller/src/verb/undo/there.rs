//! The release that is to be gone back to by its version, and whether it is still there.

use shunt_config::{Active, Slot, record};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::Failure;

/// Whether a release is in no slot any more.
pub(super) enum Gone {
    /// It is, and was deployed before: what is known of that.
    Known(Box<record::History>),
    /// It is in the slot that `undo` may go back to.
    Not,
}

/// Whether `version` is, or why there is no way to it.
pub(super) fn gone(keys: &AppKeys, version: &str) -> Result<Gone, Failure> {
    let app = &keys.name;
    let called = |slot: &Slot| keys.slot(*slot).and_then(Kept::ok)?.version.as_deref();
    let there = Slot::BOTH.into_iter().find(|slot| called(slot) == Some(version));
    if let Some(slot) = there {
        return match keys.active().and_then(Active::only) {
            Some(active) if active == slot => {
                Err(Failure::usage(format!("{version} serves `{app}` already")))
            }
            _ => Ok(Gone::Not),
        };
    }
    let deploys = keys.history.values().rev().filter_map(Kept::ok);
    let mut deploys = deploys.filter(|entry| entry.verb == "deploy");
    let known = deploys.find(|entry| {
        entry.version.as_deref() == Some(version) && entry.outcome == record::Outcome::Done
    });
    known.map(|entry| Gone::Known(Box::new(entry.clone()))).ok_or_else(|| {
        let said = format!("the history of `{app}` knows no deploy of {version} that was done");
        Failure::usage(said).hint("`shuntctl history` shows the ones it knows")
    })
}

/// An error unless `to` is the release that is asked for.
pub(super) fn goes_to(keys: &AppKeys, to: Active, version: Option<&str>) -> Result<(), Failure> {
    let Some(version) = version else { return Ok(()) };
    let there = keys.slot(to.main()).and_then(Kept::ok).and_then(|r| r.version.as_deref());
    if there == Some(version) {
        return Ok(());
    }
    let (app, there) = (&keys.name, there.unwrap_or("another release"));
    let said = format!("`undo` of `{app}` goes back to {there}, not to {version}");
    Err(Failure::usage(said).hint("`shuntctl flip` goes to any slot; `shuntctl status` shows them"))
}
