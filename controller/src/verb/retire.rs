//! `shuntctl retire`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::store::Store;
use shunt_config::{AppName, Slot};
use tokio::time::{Instant, sleep};

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::keeping::{limits, release, take_in_order};
use crate::lock::Held;
use crate::report::{Ended, Report};
use crate::retire::{Reaper, Retired};
use crate::sight::Sight;

/// How often a proxy that is lost is looked for again, at least.
const LOOK: Duration = Duration::from_secs(1);

/// What its help ends with.
pub(crate) const HELP: &str = "\
After it `undo` has nothing warm to go back to; `undo --to VERSION` deploys it again. A release that
a proxy may still send requests to stays, and why is said. What was announced by hand is forgotten
here, and stopped by whoever started it.

Examples:
  shuntctl retire web
  shuntctl retire web --timeout 15m";

/// Flags of `retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How long to wait for proxies that are lost, beyond the time requests have to be over
    /// [default: not at all]
    #[arg(long, value_parser = time, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Ends the sessions of visitors who stay on replaced releases: they go to the one that serves
    #[arg(long)]
    end_sessions: bool,
}

impl Retire {
    /// Stops every release that gets no requests.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        let report = &context.report;
        let taken = take_in_order(report, &store, &app, "retire", Duration::ZERO).await?;
        let (held, keys, _) = taken;
        report.begin("retire", &format!("releases of `{app}` that get no requests"));
        let patience = self.timeout.unwrap_or_default();
        match retire_all(context, &store, &held, &keys, patience, self.end_sessions).await {
            Ok(said) => {
                held.release().await?;
                report.end(Ended::Done, &said);
                report.event("retired", json!({ "app": app, "said": said }));
                Ok(())
            }
            Err(failure) => release(held, failure).await,
        }
    }
}

async fn retire_all(
    context: &Context,
    store: &Arc<dyn Store>,
    held: &Held,
    keys: &AppKeys,
    patience: Duration,
    end_sessions: bool,
) -> Result<String, Failure> {
    let reaper =
        Reaper { store, held, limits: limits(context, keys), wait: true, report: &context.report };
    let idle = |slot: &Slot| keys.active().is_none_or(|active| active.share(*slot) == 0);
    for slot in Slot::BOTH.into_iter().filter(idle) {
        if let Some(why) = reaper.condemn(keys, slot).await? {
            return Err(not_yet(&why));
        }
    }
    if end_sessions {
        reaper.end_all_stays(&reaper.keys(&keys.name).await?).await?;
    }
    retire_draining(&context.report, &reaper, &keys.name, patience).await
}

/// Retires all that is under `draining/`, and waits up to `patience` for what has to stay.
pub(super) async fn retire_draining(
    report: &Report,
    reaper: &Reaper<'_>,
    app: &AppName,
    patience: Duration,
) -> Result<String, Failure> {
    let mut sight = Sight::open(reaper.store, app).await?;
    let deadline = Instant::now() + patience;
    let mut done = Vec::new();
    loop {
        let keys = reaper.keys(app).await?;
        // Releases stay for the same reason more often than not.
        let (mut staying, mut reasons) = (Vec::new(), BTreeSet::new());
        for token in keys.draining.keys() {
            let mut tell = |key: &str, text: &str| report.progress(key, text);
            match reaper.retire(&mut sight, token, &mut tell).await? {
                Retired::Kept(why) => {
                    staying.push(token.to_string());
                    reasons.insert(why);
                }
                gone @ Retired::Gone { .. } => done.push(gone.text()),
            }
        }
        if staying.is_empty() {
            return Ok(match done.is_empty() {
                true => "nothing to retire".to_owned(),
                false => done.join("; "),
            });
        }
        let reasons = reasons.into_iter().collect::<Vec<_>>().join("; ");
        if Instant::now() >= deadline {
            return Err(not_yet(&reasons));
        }
        report.progress(&staying.join(" "), &reasons);
        tokio::select! {
            () = sight.changed() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// The failure where something has to stay that was to be stopped.
pub(super) fn not_yet(why: &str) -> Failure {
    let said = format!("not everything may be stopped yet: {why}");
    Failure::new(Exit::Unacknowledged, said).hint(
        "`shuntctl status` shows what each proxy serves; `shuntctl proxy forget NAME` forgets one \
         that will not come back, `shuntctl resume --forget URL` an engine",
    )
}
