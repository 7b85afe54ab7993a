//! `shuntctl remove`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::record::{Limits, Outcome};
use shunt_config::store::{self, Store, Txn};
use shunt_config::{AppName, Slot};

use super::retire::{Way, not_yet, retire_draining};
use super::status::no_app;
use crate::ack::join;
use crate::announce::displace;
use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fence::Fence;
use crate::history;
use crate::keeping::{engines_of, limits, release};
use crate::lock::{Held, take};
use crate::report::{Ended, Report};
use crate::retire::{self, Reaper};
use crate::sight::{Look, Sight, Waited};

/// What its help ends with.
pub(crate) const HELP: &str = "\
Where it stops on the way, run it again: it goes on. Its last history entry stays in the store.

Example:
  shuntctl remove web --yes";

/// Flags of `remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: AppName,
    /// Really: its requests get 404 from then on
    #[arg(long)]
    yes: bool,
    /// How long the proxies may take to drop it
    #[arg(long, value_parser = time, default_value = "60s", value_name = "TIME")]
    timeout: Duration,
}

impl Remove {
    /// Removes the app. May be repeated where it was cut short.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = &self.app;
        let store = context.store()?;
        let keys = AppKeys::read(&*store, app).await?;
        if keys.is_gone() {
            return Err(no_app(app, &*store));
        }
        if !self.yes {
            let said = format!("this stops `{app}` and removes all that is known of it");
            return Err(Failure::usage(said).hint(format!("`shuntctl remove {app} --yes`")));
        }
        let report = &context.report;
        let held = take(&*store, app, "remove", Duration::ZERO, report).await?;
        match self.remove(context, &store, &held).await {
            Ok(()) => {
                held.release().await?;
                report.event("removed", json!({ "app": app }));
                Ok(())
            }
            Err(failure) => release(held, failure).await,
        }
    }

    async fn remove(
        &self,
        context: &Context,
        store: &Arc<dyn Store>,
        held: &Held,
    ) -> Result<(), Failure> {
        let (app, report) = (&self.app, &context.report);
        let write = async |txn: Txn| match store.commit(txn.when(held.condition())).await? {
            store::Outcome::Committed(_) => Ok(()),
            store::Outcome::Refused => Err(Failure::new(
                Exit::Superseded,
                format!("the keys of `{app}` were changed at the same moment"),
            )),
        };
        report.begin("app", "deleted first: proxies drop it before anything is stopped");
        write(Txn::new().delete(AppKey::App.of(app))).await?;
        report.end(Ended::Done, &format!("`{app}` is deleted"));
        self.dropped(report, store).await?;

        report.begin("releases", "out of their slots");
        let keys = AppKeys::read(&**store, app).await?;
        // Nothing is kept of an app that is gone.
        let limits = Limits { keep: 0, ..limits(context, &keys) };
        write(empty_slots(&keys)?).await?;
        let reaper = Reaper { store, held, limits, wait: true, report };
        let said = retire_draining(report, &reaper, app, Duration::ZERO).await?;
        let engines = engines_of(context, &keys)?;
        if let Some(record) = keys.record() {
            // A deploy that was left half done may have started what no slot has ever named.
            let fence = Fence::of(held, &**store, app);
            retire::remove(&fence, &record.engines, &record.id, limits.stop).await?;
        }
        let cleared = reaper.sweep_orphans(&engines, app).await?;
        let left = cleared.left();
        if let Some(why) = left.iter().chain(&cleared.kept).next() {
            return Err(not_yet(why, &Way::default()));
        }
        report.end(Ended::Done, &said);

        let keys = AppKeys::read(&**store, app).await?;
        // The last entry stays: a prefix that is suddenly empty is taken for a fault of the store.
        let txn = keys
            .history
            .keys()
            .fold(Txn::new(), |txn, id| txn.delete(AppKey::History(id.clone()).of(app)));
        let (id, entry) = (history::new_id(), history::entry("remove", Outcome::Done));
        let value = serde_json::to_vec(&entry).map_err(|e| Failure::usage(e.to_string()))?;
        let txn = txn.delete(AppKey::Deploy.of(app));
        write(txn.put(AppKey::History(id).of(app), value)).await
    }

    async fn dropped(&self, report: &Report, store: &Arc<dyn Store>) -> Result<(), Failure> {
        report.begin("drop", "by every live proxy");
        let mut sight = Sight::open(store, &self.app).await?;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let waited = sight
            .wait(self.timeout, &mut tell, |keys, fleet| {
                if keys.app.is_some() {
                    let said = format!("`{}` was put again by someone else", self.app);
                    return Err(Failure::new(Exit::Superseded, said));
                }
                let having = fleet.having();
                let names = join(&having);
                Ok(match having.is_empty() {
                    true => Look::Done(()),
                    false => Look::Wait(names.clone(), format!("waiting for {names}")),
                })
            })
            .await?;
        match waited {
            Waited::Done(()) => {
                report.end(Ended::Done, "no live proxy has it any more");
                Ok(())
            }
            Waited::TimedOut(waits) => {
                let said = format!("not dropped in time: {waits}");
                let hint = "nothing was stopped; run it again";
                Err(Failure::new(Exit::Unacknowledged, said).hint(hint))
            }
        }
    }
}

/// Takes all releases out of their slots, and deletes what speaks of them.
fn empty_slots(keys: &AppKeys) -> Result<Txn, Failure> {
    let app = &keys.name;
    let mut txn = Txn::new();
    for slot in Slot::BOTH {
        txn = txn.when(keys.unchanged(&AppKey::Slot(slot)));
        txn = displace(txn, keys, slot, None)?.delete(AppKey::Slot(slot).of(app));
    }
    let others = [AppKey::Active, AppKey::Hold, AppKey::Mirror];
    Ok(others.into_iter().fold(txn, |txn, key| txn.delete(key.of(app))))
}
