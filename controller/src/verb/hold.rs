//! `shuntctl hold`, `release` and `maintenance`

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use shunt_config::AppName;
use shunt_config::cidr::Cidr;
use shunt_config::hold::{Hold as Spec, Mode, Then};
use shunt_config::key::AppKey;
use shunt_config::store::Txn;

use crate::ack::{Taken, acknowledged, join};
use crate::app_keys::{AppKeys, Kept};
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::flip::{someone_serves, unlocked};
use crate::history::Open;
use crate::hold::Asked;
use crate::lock::is_held;
use crate::report::{Ended, Report};
use crate::sight::Sight;
use crate::verb::announce::changed_meanwhile;
use crate::verb::flip::unsure;
use crate::verb::status::no_app;

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

/// A change of `hold` by hand.
struct Change<'a> {
    verb: &'static str,
    app: &'a AppName,
    /// The mode that is begun or ended.
    of: Mode,
    /// What is put; `None` for nothing any more.
    to: Option<Spec>,
}

impl Change<'_> {
    async fn run(self, context: &Context, limit: Duration) -> Result<(), Failure> {
        let (report, app) = (&context.report, self.app);
        if let Some(mistake) = self.to.as_ref().and_then(|spec| spec.validate().err()) {
            return Err(Failure::usage(mistake.to_string()));
        }
        let store = context.store()?;
        let mut sight = Sight::open(&store, app).await?;
        let keys = sight.keys.clone();
        if keys.app.is_none() {
            return Err(no_app(app, &*store));
        }
        self.refuse_what_is_anothers(&keys)?;
        someone_serves(&sight.fleet)?;
        report.begin(self.verb, &format!("`{app}`"));
        if self.to.is_none() && keys.hold.is_none() {
            report.end(Ended::Skipped, &self.said());
            return wait(report, &mut sight, &Asked::Free, limit).await;
        }
        let entry = Open::plain(self.verb, &keys).reason(self.reason());
        let txn = entry.begin(self.txn(&keys)?, &keys);
        report.stands(unsure(app));
        let outcome = store.commit(txn).await?;
        if outcome == shunt_config::store::Outcome::Refused {
            return Err(changed_meanwhile(&AppKeys::read(&*store, app).await?));
        }
        report.end(Ended::Done, &self.said());
        let token = outcome.token(AppKey::Hold.of(app));
        report.stands(format!("{} all the same; {}", self.said(), self.back()));
        report.event(self.verb, json!({ "app": app, "hold": self.to, "token": token }));
        let asked = token.map_or(Asked::Free, Asked::Held);
        let done = wait(report, &mut sight, &asked, limit).await;
        entry.end(&*store, &outcome, &done).await;
        done
    }

    fn txn(&self, keys: &AppKeys) -> Result<Txn, Failure> {
        let key = AppKey::Hold.of(self.app);
        let txn = Txn::new().when(unlocked(keys)).when(keys.unchanged(&AppKey::Hold));
        Ok(match &self.to {
            Some(spec) => {
                let value = serde_json::to_vec(spec).map_err(|e| Failure::usage(e.to_string()))?;
                txn.put(key, value)
            }
            None => txn.delete(key),
        })
    }

    /// Who lets a deploy's requests through sends them to whatever it has left half done.
    fn refuse_what_is_anothers(&self, keys: &AppKeys) -> Result<(), Failure> {
        let app = self.app;
        let Some(present) = keys.hold.as_ref().and_then(Kept::ok) else { return Ok(()) };
        if let Some(deploy) = present.deploy.as_ref().filter(|_| !is_held(keys)) {
            let said = format!("`{app}` is held by deploy {deploy}, which is half done");
            let hint = format!("`shuntctl resume {app}` finishes or undoes it");
            return Err(Failure::usage(said).hint(hint));
        }
        if present.mode == self.of {
            return Ok(());
        }
        let (said, way) = match present.mode {
            Mode::Hold => ("held", format!("`shuntctl release {app}`")),
            Mode::Maintenance => ("in maintenance", format!("`shuntctl maintenance {app} off`")),
        };
        Err(Failure::usage(format!("`{app}` is {said}")).hint(format!("{way} ends that")))
    }

    fn said(&self) -> String {
        let app = self.app;
        match (self.of, self.to.is_some()) {
            (Mode::Hold, true) => format!("requests of `{app}` are to wait"),
            (Mode::Maintenance, true) => format!("`{app}` is to be in maintenance"),
            (_, false) => format!("requests of `{app}` are to go through"),
        }
    }

    /// How to take it back.
    fn back(&self) -> String {
        let app = self.app;
        match (self.of, self.to.is_some()) {
            (Mode::Hold, true) => format!("`shuntctl release {app}` ends that"),
            (Mode::Maintenance, true) => format!("`shuntctl maintenance {app} off` ends that"),
            (_, false) => format!("`shuntctl status {app}` shows which proxies do so"),
        }
    }

    /// What its entry in the history says.
    fn reason(&self) -> Option<String> {
        match (self.of, &self.to) {
            (Mode::Maintenance, Some(spec)) => {
                Some(spec.message.as_ref().map_or_else(|| "on".to_owned(), |m| format!("on: {m}")))
            }
            (Mode::Maintenance, None) => Some("off".to_owned()),
            (Mode::Hold, spec) => spec.as_ref().map(|spec| {
                let lasts = spec.lasts().map(crate::time::show).unwrap_or_default();
                format!("for {lasts}, then {}", spec.then())
            }),
        }
    }
}

/// Waits until every live proxy does what is `asked`; what was put stays as it is if not.
async fn wait(
    report: &Report,
    sight: &mut Sight,
    asked: &Asked,
    limit: Duration,
) -> Result<(), Failure> {
    report.begin("acknowledge", "by every live proxy");
    let mut tell = |key: &str, text: &str| report.progress(key, text);
    match acknowledged(sight, asked, limit, &mut tell).await {
        Taken::Applied { by, lost } => {
            report.end(Ended::Done, &crate::ack::applied(by, &lost));
            Ok(())
        }
        Taken::Refused(why) => {
            let details = why.iter().map(|(proxy, reason)| format!("{proxy}: {reason}"));
            let said = format!("refused by {}", join(why.keys()));
            Err(Failure::new(Exit::Unacknowledged, said).details(details))
        }
        Taken::TimedOut(waits) => {
            let said = format!("not acknowledged in time: {waits}");
            let hint = "it stays as it was put, and proxies follow when they can: `shuntctl status` \
                        shows who differs";
            Err(Failure::new(Exit::Unacknowledged, said).hint(hint))
        }
        Taken::Superseded(said) => {
            let hint = "theirs stays: look at `shuntctl status`";
            Err(Failure::new(Exit::Superseded, said).hint(hint))
        }
    }
}
