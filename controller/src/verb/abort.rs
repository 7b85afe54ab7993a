//! `shuntctl abort`

use std::time::Duration;

use clap::Args;
use shunt_config::AppName;
use shunt_config::record::{Deploy, Stage};

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::Failure;
use crate::verb::undo::Undo;

/// What its help ends with.
pub(crate) const HELP: &str = "\
From any machine, and without its controller. Without a canary it changes nothing and ends with code
2; `undo` goes back then.

Example:
  shuntctl abort web";

/// Flags of `abort`.
#[derive(Debug, Args)]
pub struct Abort {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How long the proxies may take to acknowledge
    #[arg(long, value_parser = time, default_value = "75s", value_name = "TIME")]
    timeout: Duration,
}

impl Abort {
    /// Ends the canary as `undo` does; without one it does nothing, where `undo` would go back.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone())?;
        let keys = AppKeys::read(&*context.store()?, &app).await?;
        if !keys.record().is_some_and(is_tried) {
            let said = format!("no canary of `{app}` runs: there is nothing to abort");
            return Err(Failure::usage(said)
                .hint(format!("`shuntctl undo {app}` goes back to the release before")));
        }
        Undo::of(app, self.timeout).run(context).await
    }
}

/// Whether `record` is of a canary that has not come to its flip.
fn is_tried(record: &Deploy) -> bool {
    let before = matches!(record.stage, Stage::Preparing | Stage::Announced | Stage::Canary);
    let goes_back = record.undo.is_some() || record.stage == Stage::Undoing;
    record.canary.is_some() && (before || goes_back)
}
