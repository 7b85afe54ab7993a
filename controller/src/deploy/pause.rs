//! A test aid: a deploy that stands still at a chosen moment.
//!
//! `SHUNTCTL_PAUSE_BEFORE=flip` stands still when the step is written down as begun and nothing of
//! it is done; `SHUNTCTL_PAUSE_AFTER=flip` when it is written down as done. It prints
//! `paused before flip` or `paused after flip`, and goes on at SIGUSR1, or when something stops the
//! deploy.

use shunt_config::record::Step;
use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;
use crate::stop::Lookout;

/// Stands still if this is the chosen moment.
pub(super) async fn pause(when: &str, step: Step, lookout: &Lookout, report: &Report) {
    let variable = format!("SHUNTCTL_PAUSE_{}", when.to_uppercase());
    if std::env::var(variable).ok().as_deref() != Some(step.as_str()) {
        return;
    }
    let Ok(mut go_on) = signal(SignalKind::user_defined1()) else { return };
    report.note(&format!("paused {when} {step}"));
    tokio::select! {
        _ = go_on.recv() => {}
        _ = lookout.stopped() => {}
    }
}
