//! `shuntctl status`

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use clap::Args;
use shunt_config::AppName;
use shunt_config::key;
use shunt_config::store::Store;

use crate::app_keys::{AppKeys, names};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::sight::Sight;
use crate::summary::Summary;

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
        let named = self.app.clone().map(|app| BTreeSet::from([app]));
        let apps = match named {
            Some(apps) => apps,
            None => names(&store.read(key::APPS).await?),
        };
        if apps.is_empty() {
            context.report.line("no apps");
        }
        for (i, app) in apps.iter().enumerate() {
            let keys = AppKeys::read(&*store, app).await?;
            if keys.is_gone() {
                if self.app.is_none() {
                    continue;
                }
                let said = format!("no app `{app}` in {}", store.name());
                return Err(Failure::usage(said).hint("`shuntctl list` shows those there are"));
            }
            if i > 0 {
                context.report.line("");
            }
            let fleet = Fleet::read(&*store, Some(app)).await?;
            show(context, &Summary::new(&keys, &fleet));
        }
        Ok(())
    }
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
            if context.report.is_terminal() {
                // Home and clear: the screen shows the present and nothing else.
                let _ = write!(std::io::stdout(), "\x1b[H\x1b[2J");
            }
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
