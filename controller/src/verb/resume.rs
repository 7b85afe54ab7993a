//! `shuntctl resume`

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::AppName;
use shunt_config::engine::EngineUrl;

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::Failure;
use crate::fence::Fence;
use crate::keeping::{InOrder, engines_of, limits, release, sweep};
use crate::retire::Reaper;
use crate::sight::Sight;
use crate::workers;

/// What its help ends with.
pub(crate) const HELP: &str = "\
A deploy that was killed before its flip is undone, after it the rest of it is done. Where nothing
is half done it removes what older deploys had to leave, and says so.

Examples:
  shuntctl resume web
  shuntctl resume web --forget ssh://root@10.0.0.11   # this host is gone for good";

/// Flags of `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How long to wait for the lock: it outlives a killed holder by up to 10 s
    #[arg(long, value_parser = time, default_value = "15s", value_name = "TIME")]
    lock_wait: Duration,
    /// An engine that will not come back: what may run there is given up
    #[arg(long, value_name = "URL")]
    forget: Vec<EngineUrl>,
}

impl Resume {
    /// Finishes or undoes what is half done.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        let asked = InOrder { verb: "resume", wait: self.lock_wait, forgotten: &self.forget };
        let taken = asked.take(report, &store, &app).await?;
        let (held, keys, repaired) = taken;
        let swept = async {
            let mut sight = Sight::open(&store, &app).await?;
            let reaper = Reaper {
                store: &store,
                held: &held,
                limits: limits(context, &keys),
                wait: false,
                report,
            };
            for engine in &self.forget {
                reaper.give_up(&app, engine).await?;
            }
            let mut engines = engines_of(context, &AppKeys::read(&*store, &app).await?)?;
            engines.retain(|engine| !self.forget.contains(&engine.url));
            sweep(&reaper, &mut sight, &engines, report).await?;
            // Whoever went back last may not have got to them.
            workers::follow(report, &Fence::of(&held, &*store, &app)).await;
            Ok(())
        };
        if let Err(failure) = swept.await {
            return release(held, failure).await;
        }
        held.release().await?;
        report.event("resumed", json!({ "app": app, "repaired": repaired }));
        if repaired.is_none() {
            report.line(&format!("nothing of `{app}` is half done"));
        }
        Ok(())
    }
}
