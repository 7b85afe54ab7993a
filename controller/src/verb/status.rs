//! `shuntctl status`

use std::sync::Arc;

use clap::Args;
use shunt_config::AppName;
use shunt_config::store::Store;

use crate::app_keys::{AppKeys, apps, strays};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::sight::Sight;
use crate::summary::Summary;
use crate::verb::list::tell_strays;

/// What its help ends with.
pub(crate) const HELP: &str = "\
STATE is `applied` where a proxy serves what the keys ask for, else `waiting`, `refused` or `lost`.

Examples:
  shuntctl status
  shuntctl status web --watch
  shuntctl status web --json | jq -r '.problems[]'";

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The app [default: all]
    app: Option<AppName>,
    /// Shows every change until it is stopped; one app only
    #[arg(long)]
    watch: bool,
}

impl Status {
    /// Shows it.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let store = context.store_to_look()?;
        if self.watch {
            let app = context.app(self.app.clone())?;
            return watch(context, &store, &app).await;
        }
        let Some(app) = &self.app else { return all(context, &*store).await };
        let keys = AppKeys::read(&*store, app).await?;
        if keys.is_gone() {
            return Err(no_app(app, &*store));
        }
        let fleet = Fleet::read(&*store, Some(app)).await?;
        show(context, &Summary::new(&keys, &fleet));
        Ok(())
    }
}

async fn all(context: &Context, store: &dyn Store) -> Result<(), Failure> {
    let view = store.read("").await?;
    let apps = apps(&view);
    if apps.is_empty() {
        context.report.line("no apps");
    }
    for (i, keys) in apps.iter().enumerate() {
        if i > 0 {
            context.report.line("");
        }
        show(context, &Summary::new(keys, &Fleet::in_view(&view, &keys.name)));
    }
    tell_strays(context, &strays(&view, &apps));
    Ok(())
}

/// The failure of one who asks for an app that is not there.
pub(super) fn no_app(app: &AppName, store: &dyn Store) -> Failure {
    let said = format!("no app `{app}` in {}", store.name());
    Failure::usage(said).hint("`shuntctl list` shows those there are")
}

fn show(context: &Context, summary: &Summary) {
    match serde_json::to_value(summary) {
        Ok(value) => context.report.value(&value),
        Err(error) => context.report.note(&error.to_string()),
    }
    context.report.line(&summary.text(&context.report));
}

async fn watch(context: &Context, store: &Arc<dyn Store>, app: &AppName) -> Result<(), Failure> {
    let mut sight = Sight::open(store, app).await?;
    let mut last = None;
    loop {
        let summary = Summary::new(&sight.keys, &sight.fleet);
        if last.as_ref() != Some(&summary) {
            context.report.clear();
            show(context, &summary);
            last = Some(summary);
        }
        if let Some(reason) = sight.out_of_touch() {
            context.report.note(&format!("the store is out of reach: {reason}"));
        }
        tokio::select! {
            () = sight.changed() => {}
            stop = tokio::signal::ctrl_c() => {
                return stop.map_err(|e| Failure::new(Exit::Unreachable, e.to_string()));
            }
        }
    }
}
