//! `shuntctl history`

use std::num::NonZeroUsize;

use clap::Args;
use serde_json::json;
use shunt_config::AppName;
use shunt_config::record::{History as Entry, Step, StepTime};

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::exit::Failure;
use crate::mirror::text;
use crate::report::table;
use crate::time::{between, show};
use crate::verb::status::no_app;

/// What its help ends with.
pub(crate) const HELP: &str = "\
RELEASE is the version that serves from there on, or what `active` became where it has no name, or
both slots serve. An entry that is not over, or was killed while it waited, is `unacknowledged`.

Examples:
  shuntctl history web --limit 10
  shuntctl history web --steps";

/// Flags of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How many, at most
    #[arg(long, default_value = "20", value_name = "N")]
    limit: NonZeroUsize,
    /// Shows the steps of each deploy, and how long they took
    #[arg(long)]
    steps: bool,
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
        let (mut rows, mut steps) = (Vec::new(), Vec::new());
        for (id, kept) in keys.history.iter().rev().take(self.limit.get()) {
            let entry = match &kept.value {
                Ok(entry) => entry,
                Err(mistake) => {
                    context.report.note(&format!("{id} cannot be read: {mistake}"));
                    continue;
                }
            };
            context.report.value(&json!({ "id": id, "entry": entry }));
            let took = between(entry.began, entry.ended);
            steps.push(step_times(entry));
            rows.push(vec![
                entry.began.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                entry.verb.clone(),
                release(entry),
                match entry.idle {
                    Some(_) => format!("{}, without workers", entry.outcome),
                    None => entry.outcome.to_string(),
                },
                show(took),
                entry.who.user.clone(),
                entry.reason.clone().unwrap_or_default(),
            ]);
        }
        let heading = ["WHEN (UTC)", "VERB", "RELEASE", "OUTCOME", "TOOK", "WHO", "REASON"];
        if rows.is_empty() {
            context.report.line(&format!("`{app}` has no history yet"));
            return Ok(());
        }
        let table = table(&heading, &rows);
        let below = std::iter::once(None).chain(steps.into_iter().map(Some));
        for (line, steps) in table.lines().zip(below) {
            context.report.line(line);
            if let Some(steps) = steps.flatten().filter(|_| self.steps) {
                context.report.line(&format!("  {steps}"));
            }
        }
        Ok(())
    }
}

/// What was deployed, or what served afterwards.
fn release(entry: &Entry) -> String {
    let version = entry.version.clone().or_else(|| match entry.serving.as_slice() {
        [only] => only.version.clone(),
        _ => None,
    });
    version.or_else(|| entry.active.clone()).unwrap_or_default()
}

/// How long each step of a deploy took: `pull 1.2 s, start 310 ms, check after 60 s not over`.
fn step_times(entry: &Entry) -> Option<String> {
    let copied = |step: Step| {
        let compared = entry.mirrored.as_ref().filter(|_| step == Step::Mirror);
        compared.map(|compared| format!(" ({})", text(compared))).unwrap_or_default()
    };
    let time = |time: &StepTime| {
        let took = show(between(time.began, time.ended.unwrap_or(entry.ended)));
        let over = if time.ended.is_some() { "" } else { "not over after " };
        format!("{} {over}{took}{}", time.step, copied(time.step))
    };
    let all: Vec<_> = entry.steps.iter().map(time).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
