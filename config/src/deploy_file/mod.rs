//! `shunt.toml`: an app's deploy file. It lives in the app's repository.

mod checks;
mod environment;
mod glance;
mod hosts;
mod limit;
mod limits;
mod mirroring;
mod notify;
mod port_range;
mod pull;
mod route;
mod run;
mod settings;
mod strategy;
mod units;
mod volume;
mod warm_up;
mod workers;

use std::path::PathBuf;

use serde::Deserialize;

pub use self::environment::{Environment, Line, Variable, lines};
pub use self::hosts::{Host, Hosts};
pub use self::limit::{Cpus, Ulimit};
pub use self::mirroring::Mirroring;
pub use self::notify::{Notify, NotifyEvent, NotifyKind, Severity};
pub use self::port_range::PortRange;
pub use self::pull::Pull;
pub use self::run::{MAX_REPLICAS, Run};
pub use self::settings::{HostAddress, Log, Restart, Settings};
pub use self::strategy::Strategy;
pub use self::units::Units;
pub use self::volume::Volume;
pub use self::warm_up::WarmUp;
pub use self::workers::Worker;

use crate::app::App;
use crate::command::Command;
use crate::document::{self, Section};
use crate::guard::Guard;
use crate::health::Health;
use crate::name::AppName;
use crate::record::{Canary, Check, Hooks, Limits, Part};
use crate::store::StoreConfig;
use crate::strict::Mistake;
use crate::timeouts::Timeouts;

/// The file's usual name.
pub const FILE_NAME: &str = "shunt.toml";

/// An app's deploy file, with nothing left open.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployFile {
    /// The app.
    pub app: AppName,
    /// The image to run, as written: with or without tag or digest. `None` where it has units.
    pub image: Option<String>,
    /// The app's settings in the store; `None` leaves those that are there alone.
    pub route: Option<App>,
    /// How its containers run.
    pub run: Run,
    /// Its containers that get no requests.
    pub workers: Vec<Worker>,
    /// The health check of its releases.
    pub health: Health,
    /// A command that has to end well in each new container before it is announced.
    pub ready: Option<Command>,
    /// What a new release is asked for before anybody else asks it, if that is wanted.
    pub warm_up: Option<WarmUp>,
    /// Which requests it gets copies of before it gets one itself, if that is wanted.
    pub mirror: Option<Mirroring>,
    /// The timeouts of its releases.
    pub timeouts: Timeouts,
    /// How one release takes the place of another.
    pub strategy: Strategy,
    /// The shares of a canary, one after the other; none with another strategy.
    pub canary: Vec<Part>,
    /// How long a deploy waits for what.
    pub limits: Limits,
    /// What of the operator's own is run, and when.
    pub hooks: Hooks,
    /// The file of the key that passes to previews are signed with, as it is written.
    pub preview_key: Option<PathBuf>,
    /// Who is told of its deploys.
    pub notify: Vec<Notify>,
    /// What undoes a deploy by itself while it is watched.
    pub guard: Guard,
    /// And what else is asked meanwhile.
    pub checks: Vec<Check>,
    /// The store, if the file names one.
    pub store: Option<StoreConfig>,
}

impl DeployFile {
    /// Reads `text`, the content of `file`; all mistakes in one run.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        Self::layered(&[(file, text)])
    }

    /// The same of several files, as pairs of name and text, each laid over those before it: tables
    /// are merged key by key, and everything else is replaced.
    pub fn layered(files: &[(&str, &str)]) -> Result<Self, Vec<Mistake>> {
        document::read_over(files, |root| {
            let app = root.required("app");
            let run = root.required_section("run").map(run::read);
            let units =
                run.as_ref().is_some_and(|run| run.as_ref().is_some_and(|run| run.units.is_some()));
            let image = match units {
                true => no_image(root),
                false => image(root),
            };
            let named = units || image.is_some();
            let made = run.as_ref().and_then(|run| Some(run.as_ref()?.settings.clone()));
            let made = made.unwrap_or_default();
            let workers = root.section("workers").map(|all| workers::read(all, &made));
            if units && workers.as_ref().is_some_and(|workers| !workers.is_empty()) {
                let said = "units have none: a hook `flipped` may start units of your own";
                root.mistake("workers", said);
            }
            let (health, ready) = health(root, units);
            let warm_up: Option<WarmUp> = root.optional("warm_up");
            if let Some(Err(mistake)) = warm_up.as_ref().map(WarmUp::validate) {
                root.mistake("warm_up", &mistake.to_string());
            }
            let timeouts: Timeouts = root.or("timeouts", Timeouts::default());
            let route = root.section("route").map(route::read);
            let (guard, checks) = root.section("guard").map(guard).unwrap_or_default();
            let (strategy, limits) =
                root.section("deploy").map_or_else(Default::default, limits::read);
            if units && (limits.keep > 0 || limits.keep_images.is_some()) {
                let said = "`keep` and `keep_images` are of containers: the output of units is in the \
                            journal, for as long as that keeps it";
                root.mistake("deploy", said);
            }
            let canary = canary(root, strategy);
            let mirror = mirror(root, strategy);
            let notify = root.section("notify").map(notify::read).unwrap_or_default();
            let hooks = root.or("hooks", Hooks::default());
            let preview_key = root.section("preview").and_then(|mut s| s.required("key_file"));
            let store: Option<StoreConfig> = root.optional("store");
            for mistake in store.iter().flat_map(StoreConfig::mistakes) {
                root.mistake("store", &mistake.to_string());
            }
            let route = match route {
                Some(read) => Some(route::divided(read?, strategy)),
                None => None,
            };
            named.then_some(Self {
                app: app?,
                image,
                route,
                run: run??,
                workers: workers.unwrap_or_default(),
                health,
                ready,
                warm_up,
                mirror,
                timeouts,
                strategy,
                canary,
                limits,
                hooks,
                preview_key,
                notify,
                guard,
                checks,
                store,
            })
        })
    }
}

impl DeployFile {
    /// What is no mistake and will not do what it seems to.
    pub fn doubts(&self) -> Vec<String> {
        let bakes = self.limits.bake.is_some();
        let watched = self.strategy == Strategy::Canary || bakes || self.mirror.is_some();
        if self.strategy == Strategy::Hold || !watched {
            let asked = !self.checks.is_empty();
            let said = "guard.checks: nothing is asked, since no release is watched: that is what \
                        `bake` in [deploy], the strategy `canary`, and [mirror], do";
            return asked.then(|| said.to_owned()).into_iter().collect();
        }
        let too_late = |check: &&Check| {
            let takes = check.interval.saturating_mul(check.failures.saturating_sub(1));
            self.canary.is_empty() && self.limits.bake.is_some_and(|bake| bake <= takes)
        };
        let said = |check: &Check| {
            let (name, failures) = (&check.name, check.failures);
            format!("guard.checks.{name}: the bake is over before {failures} failures in a row")
        };
        self.checks.iter().filter(too_late).map(said).collect()
    }
}

fn image(root: &mut Section<'_>) -> Option<String> {
    let image: String = root.required("image")?;
    if let Err(mistake) = sound_image(&image) {
        root.mistake("image", &mistake.to_string());
    }
    Some(image)
}

/// An error where `image` cannot be one. The engine judges references in full; this catches what would
/// be sent to it as nonsense.
pub fn sound_image(image: &str) -> Result<(), Mistake> {
    let plain = image.bytes().all(|b| b.is_ascii_graphic());
    if plain && !image.is_empty() && !image.contains("://") {
        return Ok(());
    }
    let shown = crate::strict::short(image);
    Err(Mistake::new(format!("`{shown}` is no image: write `registry.example.com/web`")))
}

/// What runs as a unit has no image.
fn no_image(root: &mut Section<'_>) -> Option<String> {
    if root.has("image") {
        let _: Option<toml::Value> = root.optional("image");
        let said = "units run no image: leave it away; `deploy --tag 1.1` names the release, which the \
                    unit is told as SHUNT_VERSION";
        root.mistake("image", said);
    }
    None
}

fn health(root: &mut Section<'_>, units: bool) -> (Health, Option<Command>) {
    let Some(mut section) = root.section("health") else {
        return (Health::default(), None);
    };
    let command = section.optional("command");
    if units && command.is_some() {
        let said = "it is run in a container, and units have none: a unit with `Type=notify` says when it \
                    is ready, a hook `verify` looks from outside";
        section.mistake("command", said);
    }
    let health: Health = section.rest().unwrap_or_default();
    if let Err(mistake) = health.validate() {
        section.mistake_here(&mistake.to_string());
    }
    (health, command)
}

fn guard(mut section: Section<'_>) -> (Guard, Vec<Check>) {
    let checks = section.section("checks").map(checks::read).unwrap_or_default();
    let guard: Guard = section.rest().unwrap_or_default();
    if let Err(mistake) = guard.validate() {
        section.mistake_here(&mistake.to_string());
    }
    (guard, checks)
}

/// One value, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "is neither a text in quotes nor a list of such")]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

fn one_or_many<T>(read: OneOrMany<T>) -> Vec<T> {
    match read {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
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

/// Copies of what the old release is asked, where it still is when the new one runs.
fn mirror(root: &mut Section<'_>, strategy: Strategy) -> Option<Mirroring> {
    let mirror: Mirroring = root.optional("mirror")?;
    if let Err(mistake) = mirror.validate() {
        root.mistake("mirror", &mistake.to_string());
    }
    if strategy == Strategy::Hold {
        let said = "with strategy `hold` the old release is stopped before the new one starts: there are \
                    no requests to copy";
        root.mistake("mirror", said);
    }
    Some(mirror)
}

#[cfg(test)]
mod tests;
