//! `shuntctl prune`

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::AppName;

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::keeping::{engines_of, limits, release, take_in_order};
use crate::lock::Held;
use crate::report::Ended;
use crate::retire::{Count, Pruned, Reaper, What};

/// Flags of `prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// How many releases that are gone keep their containers [default: `keep` of the last deploy]
    #[arg(long, value_name = "N")]
    keep: Option<u16>,
    /// How many images that nothing uses stay [default: `keep_images` of the last deploy, or all]
    #[arg(long, value_name = "N")]
    keep_images: Option<u16>,
    /// Shows what would be removed, and removes nothing
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    /// Removes what is kept of releases that are gone, beyond what is to be kept.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone())?;
        let store = context.store()?;
        let report = &context.report;
        let taken = take_in_order(report, &store, &app, "prune", Duration::ZERO).await?;
        let (held, keys, _) = taken;
        let limits = limits(context, &keys);
        let reaper = Reaper { store: &store, held: &held, limits, wait: false, report };
        match self.prune(context, &reaper, &keys).await {
            Ok(()) => Ok(held.release().await?),
            Err(failure) => release::<()>(Held::clone(&held), failure).await,
        }
    }

    async fn prune(
        &self,
        context: &Context,
        reaper: &Reaper<'_>,
        keys: &AppKeys,
    ) -> Result<(), Failure> {
        let (report, app) = (&context.report, &keys.name);
        let engines = engines_of(context, keys)?;
        let count = Count {
            releases: self.keep.unwrap_or(reaper.limits.keep),
            images: self.keep_images.or(reaper.limits.keep_images),
        };
        let but = count.releases;
        report.begin("prune", &format!("releases of `{app}` that are gone, all but {but}"));
        let (pruned, missed) = reaper.prune(&engines, app, count, self.dry_run).await?;
        let verb = if self.dry_run { "would be removed" } else { "removed" };
        for Pruned { engine, what } in &pruned {
            let (kind, name) = match what {
                What::Container(name) => ("container", name),
                What::Image(name) => ("image", name),
            };
            let unless = if self.dry_run && kind == "image" { ", unless it is used" } else { "" };
            report.note(&format!("{kind} {name} on {engine} {verb}{unless}"));
            let event = json!({ "app": app, kind: name, "engine": engine, "dry": self.dry_run });
            report.event("pruned", event);
        }
        if !missed.is_empty() {
            let said = format!("not all hosts were looked at: {}", missed.join("; "));
            return Err(Failure::new(Exit::Unreachable, said));
        }
        report.end(Ended::Done, &format!("{} {verb}", pruned.len()));
        Ok(())
    }
}
