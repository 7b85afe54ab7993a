//! `shuntctl promote`

use clap::Args;
use serde_json::json;
use shunt_config::AppName;
use shunt_config::key::AppKey;
use shunt_config::record::{Canary, Deploy, Outcome, Promote as Word};
use shunt_config::store::{Store, Txn};

use crate::app_keys::AppKeys;
use crate::canary::place;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::history;
use crate::lock::{is_held, who};
use crate::report::Ended;

/// Another writer at the same moment is tried again; this often in a row is no coincidence.
const ATTEMPTS: u32 = 10;

/// What its help ends with.
pub(crate) const HELP: &str = "\
The controller that runs the canary goes on; from which machine it is told does not matter.

Examples:
  shuntctl promote web
  shuntctl promote web --full";

/// Flags of `promote`.
#[derive(Debug, Args)]
pub struct Promote {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// Passes over all shares that are left: the next thing is the flip
    #[arg(long)]
    full: bool,
}

impl Promote {
    /// Says that the present share of the canary is over, whatever it waits for.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        report.begin("promote", &format!("the canary of `{app}`"));
        let (ended, said) = self.commit(&*store, &app).await?;
        report.end(ended, &said);
        report.event("promoted", json!({ "app": app, "said": said }));
        Ok(())
    }

    async fn commit(&self, store: &dyn Store, app: &AppName) -> Result<(Ended, String), Failure> {
        for _ in 0..ATTEMPTS {
            let keys = AppKeys::read(store, app).await?;
            let (record, canary) = running(&keys)?;
            let said = format!("{} of `{app}` is over", place(canary));
            if canary.promoted().is_some_and(|word| word.full || !self.full) {
                return Ok((Ended::Skipped, format!("{said}: said already")));
            }
            let word = Word { who: who(), begun: canary.begun, full: self.full };
            let canary = Canary { promote: Some(word), ..canary.clone() };
            let entry = history::History {
                version: record.version.clone(),
                reason: Some(said.clone()),
                ..history::entry("promote", Outcome::Done)
            };
            let promoted = Deploy { canary: Some(canary), ..record.clone() };
            let value = serde_json::to_vec(&promoted).map_err(|e| Failure::usage(e.to_string()))?;
            let key = AppKey::Deploy.of(app);
            let txn = Txn::new().when(keys.unchanged(&AppKey::Deploy)).put(&key, value);
            let txn = history::add(txn, &keys, &history::new_id(), &entry);
            if store.commit(txn).await?.token(&key).is_some() {
                return Ok((Ended::Done, said));
            }
        }
        let said = format!("the deploy of `{app}` changed at every one of {ATTEMPTS} attempts");
        Err(Failure::new(Exit::Superseded, said).hint("look at `shuntctl status`, then try again"))
    }
}

/// The canary that runs, and that someone is at.
fn running(keys: &AppKeys) -> Result<(&Deploy, &Canary), Failure> {
    let app = &keys.name;
    let found = keys.record().and_then(|record| Some((record, record.running_canary()?)));
    let Some((record, canary)) = found else {
        let said = format!("no canary of `{app}` runs: there is nothing to promote");
        return Err(Failure::usage(said).hint(format!("`shuntctl status {app}` shows what does")));
    };
    if let Some(who) = &record.undo {
        return Err(Failure::usage(format!("the canary of `{app}` is being undone by {who}")));
    }
    if !is_held(keys) {
        let said = format!("the controller of the canary of `{app}` is gone");
        let hint = format!("`shuntctl resume {app}` undoes it; deploy again then");
        return Err(Failure::usage(said).hint(hint));
    }
    Ok((record, canary))
}
