//! `shuntctl retire`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::record::Draining;
use shunt_config::store::Store;
use shunt_config::{AppName, Slot, Token};
use tokio::time::{Instant, sleep};

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::keeping::{limits, release, take_in_order};
use crate::lock::Held;
use crate::report::{Ended, Report};
use crate::retire::{Reaper, Retired};
use crate::sight::Sight;
use crate::stay::Stay;

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
            return Err(not_yet(&format!("`{slot}`: {why}"), &Way::default()));
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
        let (mut staying, mut reasons) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for (token, kept) in &keys.draining {
            let mut tell = |key: &str, text: &str| report.progress(key, text);
            match reaper.retire(&mut sight, token, &mut tell).await? {
                Retired::Kept(why) => {
                    staying.push(token.to_string());
                    let release = kept.ok().and_then(Draining::release);
                    let version = release.and_then(|release| release.version);
                    let version = version.unwrap_or_else(|| "a release".to_owned());
                    reasons.entry(why).or_default().push(version);
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
        let reasons = reasons.into_iter().map(|(why, of)| format!("{}: {why}", of.join(", ")));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        if Instant::now() >= deadline {
            return Err(not_yet(&reasons, &Way::of(&keys, &sight.fleet)));
        }
        report.progress(&staying.join(" "), &reasons);
        tokio::select! {
            () = sight.changed() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// What helps to get releases stopped that have to stay.
#[derive(Debug, Default)]
pub(super) struct Way {
    visitors: bool,
    lost: bool,
}

impl Way {
    fn of(keys: &AppKeys, fleet: &Fleet) -> Self {
        let stays = |token: &Token| Stay::of(fleet, token).is_some_and(|stay| !stay.is_over());
        let visitors = keys.draining.keys().any(stays);
        Self { visitors, lost: fleet.lost().next().is_some() }
    }
}

/// The failure where something has to stay that was to be stopped.
pub(super) fn not_yet(why: &str, way: &Way) -> Failure {
    let said = format!("not everything may be stopped yet: {why}");
    let visitors = "`shuntctl retire --end-sessions` sends its visitors to what serves";
    let forget = "`shuntctl proxy forget NAME` forgets a proxy that will not come back";
    let mut ways: Vec<_> = way.visitors.then_some(visitors).into_iter().collect();
    ways.extend(way.lost.then_some(forget));
    if ways.is_empty() {
        ways = vec![
            "`shuntctl status` shows what each proxy serves",
            forget,
            "`shuntctl resume --forget URL` an engine",
        ];
    }
    Failure::new(Exit::Unacknowledged, said).hint(ways.join("; "))
}
