//! `shuntctl undo`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shunt_config::deploy_file::NotifyEvent;
use shunt_config::key::AppKey;
use shunt_config::store::{Outcome, Store};
use shunt_config::{AppName, Token};

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::expected::Expected;
use crate::fence::Fence;
use crate::fleet::Fleet;
use crate::flip::someone_serves;
use crate::history::Open;
use crate::keeping::take_in_order;
use crate::notify::{Notifier, Subject};
use crate::report::{Ended, Report};
use crate::sight::Sight;
use crate::undo::{self, undo};
use crate::verb::deploy::Deploy;
use crate::verb::flip::{FLIPPED, unsure, wait_applied};
use crate::workers;

mod heard;
mod there;

use heard::{Heard, heard};
use there::{Gone, goes_to, gone};

/// Another writer at the same moment is tried again; this often in a row is no coincidence.
const ATTEMPTS: u32 = 10;

/// What its help ends with.
pub(crate) const HELP: &str = "\
What is undone, the first of these that there is:
  1. a deploy that runs: before its flip it is told to stop, after it all is put back
  2. a flip by hand that came after the last deploy: `active` is what it was before
  3. the last deploy, while its old release is warm; a second `undo` swaps the two again
It needs no free lock. What it cannot go back to it names, and changes nothing.

Examples:
  shuntctl undo web
  shuntctl undo web --to 1.0";

/// Flags of `undo`.
#[derive(Debug, Args)]
pub struct Undo {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How long the proxies may take to acknowledge
    #[arg(long, value_parser = time, default_value = "75s", value_name = "TIME")]
    timeout: Duration,
    /// To this version: by one write if it is still warm, else by deploying it again
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

impl Undo {
    /// Of `app`, with as long for the proxies.
    pub(super) fn of(app: AppName, timeout: Duration) -> Self {
        Self { app: Some(app), timeout, to: None }
    }

    /// Goes back, and waits until every live proxy has.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        if let Some(version) = &self.to {
            let keys = AppKeys::read(&*store, &app).await?;
            if let Gone::Known(before) = gone(&keys, version)? {
                let id = before.image_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
                let image = before.image.as_ref().map(|image| format!("its image {image}{id}"));
                let what = image.unwrap_or_else(|| "it".to_owned());
                let said = format!(
                    "{version} is gone: {what} is deployed again, as the deploy file says now"
                );
                report.note(&said);
                report.stands(format!("`shuntctl status {app}` shows how far it came"));
                return Box::pin(Deploy::again(*before).run(context)).await;
            }
        }
        report.begin("undo", &format!("`{app}`"));
        report.stands(unsure(&app));
        match commit(&*store, &app, self.to.as_deref()).await? {
            Done::Back { said, from, expected, entry, outcome } => {
                report.stands(format!(
                    "the undo stands; `shuntctl status {app}` shows which proxies have it"
                ));
                report.end(Ended::Done, &said);
                report.event("undone", json!({ "app": app, "said": said }));
                let asked = outcome.token(AppKey::Deploy.of(&app));
                let done = Box::pin(self.wait(report, &store, &app, &expected, asked)).await;
                if let Some(entry) = entry {
                    entry.end(&*store, &outcome, &done).await;
                }
                tell(context, &app, from, &said, &done).await;
                done
            }
            Done::Asked(said, asked) => {
                report.stands(format!("{said}; `shuntctl resume {app}` clears up what is left"));
                report.end(Ended::Done, said);
                Box::pin(self.clear_up(report, &store, &app, asked)).await
            }
        }
    }

    async fn wait(
        &self,
        report: &Report,
        store: &Arc<dyn Store>,
        app: &AppName,
        expected: &Expected,
        asked: Option<Token>,
    ) -> Result<(), Failure> {
        let mut sight = Sight::open(store, app).await?;
        someone_serves(&sight.fleet).map_err(|failure| {
            let said = format!("undone in the store, but {}", failure.said);
            Failure { exit: Exit::Unacknowledged, said, ..failure }
        })?;
        wait_applied(report, &mut sight, expected, self.timeout, &FLIPPED).await?;
        self.clear_up(report, store, app, asked).await
    }

    /// A deploy that runs sees that it is undone, and takes back what it began; one whose
    /// controller is gone is taken back from here.
    async fn clear_up(
        &self,
        report: &Report,
        store: &Arc<dyn Store>,
        app: &AppName,
        asked: Option<Token>,
    ) -> Result<(), Failure> {
        match heard(report, &**store, app, asked).await? {
            Heard::Over => {
                workers::follow_in_turn(report, &**store, app, "undo", self.timeout).await;
                return Ok(());
            }
            // Its workers, too.
            Heard::By(holder) => {
                report.note(&format!("{holder}, and takes back the rest"));
                return Ok(());
            }
            Heard::ByNobody => {}
        }
        // Taking the lock in order clears up what the undone deploy began.
        let (held, ..) = take_in_order(report, store, app, "undo", self.timeout).await?;
        workers::follow(report, &Fence::of(&held, &**store, app)).await;
        held.release().await?;
        Ok(())
    }
}

/// Tells whom the deploy file that lies here names.
async fn tell(
    context: &Context,
    app: &AppName,
    version: Option<String>,
    said: &str,
    done: &Result<(), Failure>,
) {
    let Some(file) = context.file().ok().filter(|file| file.app == *app) else { return };
    let env = context.env().map(ToString::to_string);
    let subject = Subject { app: app.clone(), version, env, began: Timestamp::now() };
    let mut notifier = Notifier::new(&context.report, &file.notify, context.directory(), subject);
    match done {
        Ok(()) => notifier.tell(NotifyEvent::Undone, Some(said)),
        Err(failure) => notifier.tell(NotifyEvent::Failed, Some(&failure.said)),
    }
    notifier.end().await;
}

enum Done {
    Back {
        said: String,
        from: Option<String>,
        expected: Expected,
        entry: Option<Open>,
        outcome: Outcome,
    },
    /// The deploy is told, by its record as it was put, if it was.
    Asked(&'static str, Option<Token>),
}

async fn commit(store: &dyn Store, app: &AppName, version: Option<&str>) -> Result<Done, Failure> {
    for _ in 0..ATTEMPTS {
        let keys = AppKeys::read(store, app).await?;
        let fleet = Fleet::read(store, Some(app)).await?;
        let (txn, to, from, entry) = match undo(&keys, &fleet)? {
            undo::Undo::Back { txn, to, from, entry } => {
                goes_to(&keys, to, version)?;
                (txn, to, from, entry)
            }
            undo::Undo::Stop(txn) => match store.commit(txn).await?.token(AppKey::Deploy.of(app)) {
                asked @ Some(_) => {
                    let said = "nothing was flipped yet; the deploy is told to stop";
                    return Ok(Done::Asked(said, asked));
                }
                None => continue,
            },
            undo::Undo::Already => {
                return Ok(Done::Asked("it is being taken back already", None));
            }
        };
        let outcome = store.commit(txn).await?;
        let Some(active) = outcome.token(AppKey::Active.of(app)) else { continue };
        let mut expected = super::flip::expected(&keys, active, to);
        if let Some(token) = outcome.token(AppKey::App.of(app)) {
            expected.app = Some(token);
        }
        let undone =
            from.as_ref().map_or_else(String::new, |version| format!(" (undid {version})"));
        let said = format!("`{app}` goes back to {to}{undone}");
        return Ok(Done::Back { said, from, expected, entry, outcome });
    }
    let said = format!("the keys of `{app}` changed at every one of {ATTEMPTS} attempts");
    let hint = "look at `shuntctl status`, then try again";
    Err(Failure::new(Exit::Superseded, said).hint(hint))
}
