//! `shuntctl history`

use clap::Args;
use serde_json::json;
use shunt_config::AppName;

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::exit::Failure;
use crate::report::table;
use crate::time::{between, show};
use crate::verb::status::no_app;

/// Flags of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How many, at most
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

impl History {
    /// Lists what was deployed, flipped and undone.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone())?;
        let store = context.store_to_look()?;
        let keys = AppKeys::read(&*store, &app).await?;
        if keys.is_gone() && keys.history.is_empty() {
            return Err(no_app(&app, &*store));
        }
        let mut rows = Vec::new();
        for (id, kept) in keys.history.iter().rev().take(self.limit) {
            let entry = match &kept.value {
                Ok(entry) => entry,
                Err(mistake) => {
                    context.report.note(&format!("{id} cannot be read: {mistake}"));
                    continue;
                }
            };
            context.report.value(&json!({ "id": id, "entry": entry }));
            let took = between(entry.began, entry.ended);
            rows.push(vec![
                entry.began.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                entry.verb.clone(),
                entry.version.clone().or_else(|| entry.active.clone()).unwrap_or_default(),
                entry.outcome.to_string(),
                show(took),
                entry.who.user.clone(),
                entry.reason.clone().unwrap_or_default(),
            ]);
        }
        let heading = ["WHEN (UTC)", "VERB", "RELEASE", "OUTCOME", "TOOK", "WHO", "REASON"];
        match rows.is_empty() {
            true => context.report.line(&format!("`{app}` has no history yet")),
            false => context.report.line(&table(&heading, &rows)),
        }
        Ok(())
    }
}
