//! `shuntctl hold`, `release` and `maintenance`

use std::time::Duration;

use clap::{Args, ValueEnum};
use shunt_config::AppName;
use shunt_config::cidr::Cidr;
use shunt_config::hold::{Hold as Spec, Mode, Then};

use crate::cli::time;
use crate::context::Context;
use crate::exit::Failure;

mod change;

use change::Change;

/// What the help of `hold` ends with.
pub(crate) const HOLD_HELP: &str = "\
A request that waits is not lost: it goes through at `shuntctl release`, or when the time is over.
Those that find no place, or wait too long with `--then refuse`, get 503 with Retry-After.

Examples:
  shuntctl hold web --for 30s
  shuntctl hold web --for 2m --then refuse";

/// What the help of `release` ends with.
pub(crate) const RELEASE_HELP: &str = "\
What a running deploy holds it does not release, nor does it end a maintenance.

Example:
  shuntctl release web";

/// What the help of `maintenance` ends with.
pub(crate) const MAINTENANCE_HELP: &str = "\
Requests that are under way are finished, and health checks go on. Nothing is deployed or stopped.

Examples:
  shuntctl maintenance web on --message \"back at nine\" --allow 10.0.0.0/8
  shuntctl maintenance web off";

/// Flags of `hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// The app
    app: AppName,
    /// For how long requests wait at most, from the moment a proxy sees it
    #[arg(long = "for", value_parser = time, default_value = "30s", value_name = "TIME")]
    lasts: Duration,
    /// What happens when that time is over: requests go through, or are refused with 503
    #[arg(long, value_enum, default_value_t = AtTheEnd::Release)]
    then: AtTheEnd,
    /// Requests that each proxy lets go in a second when it is over [default: 500]
    #[arg(long, value_name = "N")]
    pace: Option<u32>,
    /// Requests that may wait in each proxy [default: 10000]
    #[arg(long, value_name = "N")]
    length: Option<u32>,
    #[command(flatten)]
    wait: Wait,
}

/// Flags of `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// The app
    app: AppName,
    #[command(flatten)]
    wait: Wait,
}

/// Flags of `maintenance`.
#[derive(Debug, Args)]
pub struct Maintenance {
    /// The app
    app: AppName,
    /// Whether it is in maintenance
    #[arg(value_enum)]
    switch: Switch,
    /// What visitors are told
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Clients that it does not concern: an address, or a range of them; may be given several times
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Cidr>,
    /// For how long, from the moment a proxy sees it [default: until it is off]
    #[arg(long = "for", value_parser = time, value_name = "TIME")]
    lasts: Option<Duration>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
struct Wait {
    /// How long the proxies may take to acknowledge
    #[arg(long, value_parser = time, default_value = "30s", value_name = "TIME")]
    timeout: Duration,
}

/// What happens when the time of a hold is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AtTheEnd {
    Release,
    Refuse,
}

/// Whether an app is in maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Hold {
    /// Lets new requests wait.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let then = match self.then {
            AtTheEnd::Release => Then::Release,
            AtTheEnd::Refuse => Then::Refuse,
        };
        let (pace, length) = (self.pace, self.length);
        let (lasts, then) = (Some(self.lasts), Some(then));
        let spec = Spec { lasts, then, pace, length, ..Spec::new(Mode::Hold) };
        let change = Change { verb: "hold", app: &self.app, of: Mode::Hold, to: Some(spec) };
        change.run(context, self.wait.timeout).await
    }
}

impl Release {
    /// Lets requests through that waited.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let change = Change { verb: "release", app: &self.app, of: Mode::Hold, to: None };
        change.run(context, self.wait.timeout).await
    }
}

impl Maintenance {
    /// Puts an app into maintenance, or takes it out of it.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let (message, allow) = (self.message.clone(), self.allow.iter().copied().collect());
        let spec = Spec { lasts: self.lasts, message, allow, ..Spec::new(Mode::Maintenance) };
        let bare = spec == Spec::new(Mode::Maintenance);
        if self.switch == Switch::Off && !bare {
            return Err(Failure::usage("`--message`, `--allow` and `--for` are for `on`"));
        }
        let to = (self.switch == Switch::On).then_some(spec);
        let change = Change { verb: "maintenance", app: &self.app, of: Mode::Maintenance, to };
        change.run(context, self.wait.timeout).await
    }
}
