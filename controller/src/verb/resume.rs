//! `shuntctl resume`

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::AppName;

use crate::cli::time;
use crate::context::Context;
use crate::exit::Failure;
use crate::keeping::{engine_of, limits, release, sweep, take_in_order};
use crate::retire::Reaper;
use crate::sight::Sight;

/// Flags of `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How long to wait for the lock: it outlives a killed holder by up to 10 s
    #[arg(long, value_parser = time, default_value = "15s")]
    lock_wait: Duration,
}

impl Resume {
    /// Finishes or undoes what is half done.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        let taken = take_in_order(report, &store, &app, "resume", self.lock_wait).await?;
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
            let engine = engine_of(context, &keys).await?;
            sweep(&reaper, &mut sight, engine.as_deref(), report).await
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
