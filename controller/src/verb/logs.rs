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
use crate::keeping::engines_of;

/// What its help ends with.
pub(crate) const HELP: &str = "\
Without `--follow` it ends with what there is. Only releases that `deploy` has started have any.

Examples:
  shuntctl logs web
  shuntctl logs web green -n 20 --follow
  shuntctl logs web --release 1.0";

/// Flags of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// The slot [default: the active one]
    slot: Option<Slot>,
    /// A release that may be gone, by its version: of the last one, its containers may be kept
    #[arg(long, value_name = "VERSION", conflicts_with = "slot")]
    release: Option<String>,
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
        let (deploys, engines) = match &self.release {
            Some(version) => (known(&keys, version)?, engines_of(context, &keys)?),
            None => self.in_slot(&keys)?,
        };
        let all = engines.iter().map(|engine| of_deploys(engine, &app, &deploys));
        let mut containers = Vec::new();
        for found in join_all(all).await {
            match found {
                Ok(found) => containers.extend(found),
                // What the others have to say is worth seeing all the same.
                Err(error) if engines.len() > 1 => context.report.note(&error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        // The last deploy of a version that has left something.
        let of = |container: &Container| container.labels.get(label::DEPLOY).cloned();
        let deploy = containers.iter().filter_map(|(_, c)| of(c)).max().unwrap_or_default();
        containers.retain(|(_, container)| of(container).as_ref() == Some(&deploy));
        if let (true, Some(version)) = (containers.is_empty(), &self.release) {
            let said = format!("no container of {version} is kept");
            let hint = "`keep` in [deploy] says of how many releases that are gone they are";
            return Err(Failure::usage(said).hint(hint));
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

    /// The deploy of the release in the slot, and the engines it runs on.
    fn in_slot(&self, keys: &AppKeys) -> Result<Found, Failure> {
        let app = &keys.name;
        let slot = self.slot.or_else(|| keys.active().map(shunt_config::Active::main));
        let Some(slot) = slot else {
            return Err(Failure::usage(format!("`{app}` has no active release: name a slot")));
        };
        let release = match keys.slot(slot).map(Kept::read) {
            Some(Ok(release)) => release,
            Some(Err(mistake)) => {
                let key = AppKey::Slot(slot).of(app);
                return Err(Failure::usage(format!("`{key}` cannot be read: {mistake}")));
            }
            None => return Err(Failure::usage(format!("`{app}` has no release in `{slot}`"))),
        };
        let Some(deploy) = &release.deploy else {
            let said = format!("the targets in `{slot}` of `{app}` were not started by a deploy");
            return Err(Failure::usage(said).hint("their output is where they were started"));
        };
        Ok((vec![deploy.clone()], release.engines.clone()))
    }
}

/// Deploys, and the engines that what they started is on.
type Found = (Vec<String>, Vec<shunt_config::Engine>);

/// The deploys of `version`, or the one of that name, as far as they are known.
fn known(keys: &AppKeys, version: &str) -> Result<Vec<String>, Failure> {
    let called = |id: &String, own: Option<&str>| own == Some(version) || id == version;
    let history = keys.history.iter().filter_map(|(id, kept)| {
        let entry = kept.ok().filter(|entry| entry.verb == "deploy")?;
        called(id, entry.version.as_deref()).then(|| id.clone())
    });
    let slots = Slot::BOTH.into_iter().filter_map(|slot| {
        let release = keys.slot(slot)?.ok()?;
        release.deploy.clone().filter(|id| called(id, release.version.as_deref()))
    });
    let known: Vec<String> = history.chain(slots).collect();
    if known.is_empty() {
        let said = format!("the history of `{}` knows no deploy of {version}", keys.name);
        return Err(Failure::usage(said).hint("`shuntctl history` shows the ones it knows"));
    }
    Ok(known)
}

/// The containers of `deploys` on `engine`.
async fn of_deploys(
    engine: &shunt_config::Engine,
    app: &AppName,
    deploys: &[String],
) -> Result<Vec<(Arc<dyn Engine>, Container)>, EngineError> {
    let engine = engine::open(engine).await?;
    let mut all = Vec::new();
    for deploy in deploys {
        let found = engine.list(&label::of_deploy(app, deploy)).await?;
        all.extend(found.into_iter().map(|container| (Arc::clone(&engine), container)));
    }
    Ok(all)
}
