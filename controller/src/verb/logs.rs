//! `shuntctl logs`

use std::sync::Arc;

use clap::Args;
use futures_util::future::{join_all, try_join_all};
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::{AppName, Slot};

use crate::app_keys::{AppKeys, Kept};
use crate::context::Context;
use crate::engine::{self, Container, Engine, EngineError, label};
use crate::exit::Failure;

/// What its help ends with.
pub(crate) const HELP: &str = "\
Without `--follow` it ends with what there is. Only releases that `deploy` has started have any.

Examples:
  shuntctl logs web
  shuntctl logs web green -n 20 --follow";

/// Flags of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// The slot [default: the active one]
    slot: Option<Slot>,
    /// How many of the last lines of each container
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    lines: usize,
    /// Goes on with what is written from now on
    #[arg(long)]
    follow: bool,
}

impl Logs {
    /// Shows the output of a release's containers.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone())?;
        let store = context.store_to_look()?;
        let keys = AppKeys::read(&*store, &app).await?;
        let slot = self.slot.or_else(|| keys.active().map(shunt_config::Active::main));
        let Some(slot) = slot else {
            return Err(Failure::usage(format!("`{app}` has no active release: name a slot")));
        };
        let release = match keys.slot(slot).map(Kept::read) {
            Some(Ok(release)) => release,
            Some(Err(mistake)) => {
                let key = AppKey::Slot(slot).of(&app);
                return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}")));
            }
            None => return Err(Failure::usage(format!("`{app}` has no release in `{slot}`"))),
        };
        let Some(deploy) = &release.deploy else {
            let said = format!("the targets in `{slot}` of `{app}` were not started by a deploy");
            return Err(Failure::usage(said).hint("their output is where they were started"));
        };
        let all = release.engines.iter().map(|engine| of_deploy(engine, &app, deploy));
        let mut containers = Vec::new();
        for found in join_all(all).await {
            match found {
                Ok(found) => containers.extend(found),
                // What the others have to say is worth seeing all the same.
                Err(error) if release.engines.len() > 1 => context.report.note(&error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        let show = |name: &str, line: &str| {
            context.report.value(&json!({ "container": name, "line": line }));
            let replica =
                name.split_once(&format!("{deploy}-")).map_or(name, |(_, replica)| replica);
            let prefix = if containers.len() > 1 { format!("{replica} | ") } else { String::new() };
            context.report.output(&format!("{prefix}{line}"));
        };
        if self.follow {
            let mut each: Vec<_> = containers
                .iter()
                .map(|(engine, container)| {
                    (engine, container, |line: &str| show(&container.name, line))
                })
                .collect();
            let all = each.iter_mut().map(|(e, c, each)| e.follow(&c.id, self.lines, each));
            try_join_all(all).await?;
            return Ok(());
        }
        for (engine, container) in &containers {
            for line in engine.logs(&container.id, self.lines).await? {
                show(&container.name, &line);
            }
        }
        Ok(())
    }
}

/// The containers of `deploy` on `engine`.
async fn of_deploy(
    engine: &shunt_config::Engine,
    app: &AppName,
    deploy: &str,
) -> Result<Vec<(Arc<dyn Engine>, Container)>, EngineError> {
    let engine = engine::open(engine).await?;
    let found = engine.list(&label::of_deploy(app, deploy)).await?;
    Ok(found.into_iter().map(|container| (Arc::clone(&engine), container)).collect())
}
