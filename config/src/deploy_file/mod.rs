//! `shunt.toml`: an app's deploy file. It lives in the app's repository.

mod port_range;
mod pull;
mod run;
mod strategy;

use std::time::Duration;

use serde::de::DeserializeOwned;

pub use self::port_range::PortRange;
pub use self::pull::Pull;
pub use self::run::{MAX_REPLICAS, Run};
pub use self::strategy::Strategy;

use crate::app::App;
use crate::document::{self, Section};
use crate::health::Health;
use crate::name::AppName;
use crate::record::{Canary, Limits, Part};
use crate::split::Split;
use crate::store::StoreConfig;
use crate::strict::Mistake;
use crate::timeouts::Timeouts;

/// The file's usual name.
pub const FILE_NAME: &str = "shunt.toml";

/// An app's deploy file, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployFile {
    /// The app.
    pub app: AppName,
    /// The image to run, as written: with or without tag or digest.
    pub image: String,
    /// The app's settings in the store; `None` leaves those that are there alone.
    pub route: Option<App>,
    /// How its containers run.
    pub run: Run,
    /// The health check of its releases.
    pub health: Health,
    /// The timeouts of its releases.
    pub timeouts: Timeouts,
    /// How a deploy comes by its requests.
    pub strategy: Strategy,
    /// The shares of a canary, one after the other; none with another strategy.
    pub canary: Vec<Part>,
    /// How long a deploy waits for what.
    pub limits: Limits,
    /// The store, if the file names one.
    pub store: Option<StoreConfig>,
}

impl DeployFile {
    /// Reads `text`, the content of `file`; all mistakes in one run.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        document::read(file, text, |root| {
            let app = root.required("app");
            let image = image(root);
            let run = root.required_section("run").map(run::read);
            let health = health(root);
            let timeouts: Timeouts = root.or("timeouts", Timeouts::default());
            let route = root.section("route").map(route);
            let (strategy, limits) = root.section("deploy").map(deploy).unwrap_or_default();
            let canary = canary(root, strategy);
            let store: Option<StoreConfig> = root.optional("store");
            for mistake in store.iter().flat_map(StoreConfig::mistakes) {
                root.mistake("store", &mistake.to_string());
            }
            let route = match route {
                Some(read) => Some(divided(read?, strategy)),
                None => None,
            };
            Some(Self {
                app: app?,
                image: image?,
                route,
                run: run??,
                health,
                timeouts,
                strategy,
                canary,
                limits,
                store,
            })
        })
    }
}

fn image(root: &mut Section<'_>) -> Option<String> {
    let image: String = root.required("image")?;
    // The engine judges references in full; this catches what would be sent to it as nonsense.
    let plain = image.bytes().all(|b| b.is_ascii_graphic());
    if !plain || image.is_empty() || image.contains("://") {
        root.mistake("image", &format!("`{image}` is no image: write `registry.example.com/web`"));
    }
    Some(image)
}

fn health(root: &mut Section<'_>) -> Health {
    let health = root.or("health", Health::default());
    if let Err(mistake) = health.validate() {
        root.mistake("health", &mistake.to_string());
    }
    health
}

fn route(mut section: Section<'_>) -> Option<App> {
    let hosts = section.required("hosts");
    let paths = section.optional("paths");
    let app = App {
        hosts: hosts?,
        paths: paths.unwrap_or_else(crate::app::root),
        strip_prefix: or_default(&mut section, "strip_prefix"),
        https: or_default(&mut section, "https"),
        hsts: section.optional("hsts"),
        canonical_host: section
            .optional::<String>("canonical_host")
            .map(|h| h.to_ascii_lowercase()),
        allow: or_default(&mut section, "allow"),
        deny: or_default(&mut section, "deny"),
        headers: or_default(&mut section, "headers"),
        limits: or_default(&mut section, "limits"),
        balance: or_default(&mut section, "balance"),
        sticky: or_default(&mut section, "sticky"),
        split: section.optional("split"),
        testers: section.optional("testers"),
        max_requests: or_default(&mut section, "max_requests"),
        queue: or_default(&mut section, "queue"),
        eject: or_default(&mut section, "eject"),
        slow_start: section.optional_duration("slow_start"),
        health: Health::default(),
        timeouts: Timeouts::default(),
    };
    if let Err(mistake) = app.validate() {
        section.mistake_here(&mistake.to_string());
    }
    Some(app)
}

fn or_default<T: DeserializeOwned + Default>(section: &mut Section<'_>, key: &str) -> T {
    section.or(key, T::default())
}

/// A canary is seen by whole visitors, unless the file says otherwise.
fn divided(app: App, strategy: Strategy) -> App {
    match strategy {
        Strategy::Canary => App { split: app.split.or(Some(Split::Cookie)), ..app },
        Strategy::BlueGreen => app,
    }
}

fn canary(root: &mut Section<'_>, strategy: Strategy) -> Vec<Part> {
    if strategy != Strategy::Canary {
        // It may stay in the file while there is another strategy, and has to be sound all the same.
        drop(root.section("canary").map(steps));
        return Vec::new();
    }
    root.required_section("canary").and_then(steps).unwrap_or_default()
}

fn steps(mut section: Section<'_>) -> Option<Vec<Part>> {
    let steps: Vec<Part> = section.required("steps")?;
    for mistake in Canary::mistakes(&steps) {
        section.mistake("steps", &mistake.to_string());
    }
    Some(steps)
}

fn deploy(mut section: Section<'_>) -> (Strategy, Limits) {
    (section.or("strategy", Strategy::default()), limits(section))
}

fn limits(mut section: Section<'_>) -> Limits {
    let defaults = Limits::default();
    let mut read = |key: &str, default: Duration| section.duration(key, default);
    Limits {
        health: read("health_deadline", defaults.health),
        flip: read("flip_deadline", defaults.flip),
        drain: read("drain_timeout", defaults.drain),
        warm: read("warm", defaults.warm),
        lost: read("lost_after", defaults.lost),
        stop: read("stop_timeout", defaults.stop),
    }
}

#[cfg(test)]
mod tests;
