//! The app's settings that go to the store with a deploy.

use shunt_config::deploy_file::Strategy;
use shunt_config::split::Testers;
use shunt_config::{App, Slot};

use super::job::Job;
use crate::app_keys::{AppKeys, Kept};

/// The app's settings as the file has them, if they differ from the present ones. What the file
/// has no words for stays as it is.
pub(super) fn settings(keys: &AppKeys, job: &Job, slot: Slot) -> Option<App> {
    let mut app = job.file.route.clone()?;
    app.testers = testers(job, slot);
    let present = keys.app.as_ref().and_then(Kept::ok);
    if let Some(present) = present {
        app.health.clone_from(&present.health);
        app.timeouts.clone_from(&present.timeouts);
    }
    (present != Some(&app)).then_some(app)
}

/// The app's present settings, with requests divided as the file says; `None` if they are already.
pub(super) fn divided(keys: &AppKeys, job: &Job, slot: Slot) -> Option<App> {
    let present = keys.app.as_ref().and_then(Kept::ok)?;
    let split = job.file.route.as_ref()?.split;
    let app = App { split, testers: testers(job, slot), ..present.clone() };
    (*present != app).then_some(app)
}

/// The testers, who go to the new release: that of `slot`, while it is tried.
fn testers(job: &Job, slot: Slot) -> Option<Testers> {
    let testers = job.file.route.as_ref()?.testers.clone()?;
    let tried = (job.file.strategy == Strategy::Canary).then_some(slot);
    Some(Testers { slot: testers.slot.or(tried), ..testers })
}
