//! `shuntctl announce`

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::store::Store;
use shunt_config::strict::nearest;
use shunt_config::{AppName, Release, Slot, Token};

use crate::announce::announce;
use crate::app_keys::{AppKeys, apps};
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::flip::{someone_serves, unlocked};
use crate::lock::{locked, who};
use crate::prove::{Proved, proved};
use crate::report::Ended;
use crate::retire::forget_drained;
use crate::sight::Sight;
use crate::stay::may_stay;
use crate::verb::flip::unsure;

/// What its help ends with.
pub(crate) const HELP: &str = "\
The release gets no request until `flip`. What is in the slot goes to `draining/`; whoever started
it stops it, when `status` does not show it there any more.

Examples:
  shuntctl announce web green 10.0.0.11:9001 10.0.0.12:9001 --release 1.1
  shuntctl announce web green '{\"targets\":[\"10.0.0.12:9001\"],\"health\":{\"path\":\"/up\"}}'";

/// Flags of `announce`.
#[derive(Debug, Args)]
pub struct Announce {
    /// The app
    app: AppName,
    /// The slot: blue or green
    slot: Slot,
    /// Where the release answers, `HOST:PORT` or `unix:/PATH`; or its JSON
    #[arg(required = true)]
    targets: Vec<String>,
    /// What people call the release
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// How long the proxies may take to prove the targets
    #[arg(long, value_parser = time, default_value = "60s", value_name = "TIME")]
    timeout: Duration,
    /// Does not wait until the proxies have proved the targets
    #[arg(long)]
    no_wait: bool,
    /// Allows a slot that gets requests now
    #[arg(long)]
    force: bool,
}

impl Announce {
    /// Puts the release into the slot, and waits for its proof.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let store = context.store()?;
        let release = self.release()?;
        report.begin("announce", &format!("{} {}", self.app, self.slot));
        let mut sight = Sight::open(&store, &self.app).await?;
        self.refuse_a_serving_slot(&sight)?;
        let new = sight.keys.is_gone();
        let stays = may_stay(&sight.keys, &sight.fleet, self.slot);
        let (txn, _) = announce(&sight.keys, self.slot, &release, stays)?;
        let key = AppKey::Slot(self.slot).of(&self.app);
        report.stands(unsure(&self.app));
        let Some(token) = store.commit(txn.when(unlocked(&sight.keys))).await?.token(&key) else {
            return Err(changed_meanwhile(&AppKeys::read(&*store, &self.app).await?));
        };
        report.stands("the release stays announced; traffic is as it was".to_owned());
        let count = release.targets.len();
        report.end(Ended::Done, &format!("{count} target(s) in `{}` of `{}`", self.slot, self.app));
        let event = json!({ "app": self.app, "slot": self.slot, "token": token, "new_app": new });
        report.event("announced", event);
        if new {
            report.note(&made(&*store, &self.app).await?);
        }
        if !self.no_wait {
            self.wait(context, &mut sight, &token, &release).await?;
        }
        forget_drained(context, &*store, &self.app).await;
        Ok(())
    }

    async fn wait(
        &self,
        context: &Context,
        sight: &mut Sight,
        token: &Token,
        release: &Release,
    ) -> Result<(), Failure> {
        let report = &context.report;
        if sight.keys.app.is_none() {
            let key = AppKey::App.of(&self.app);
            let said = format!("announced, but nobody can prove it: `{key}` is missing");
            let hint = "put its hosts there, or announce with `--no-wait`";
            return Err(Failure::new(Exit::Unhealthy, said).hint(hint));
        }
        someone_serves(&sight.fleet).map_err(|failure| {
            let said = format!("announced, but nobody can prove it: {}", failure.said);
            Failure { said, ..failure }
        })?;
        report.begin("prove", "by every live proxy");
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let slot = self.slot;
        match proved(sight, slot, token, release, self.timeout, &mut tell).await {
            Proved::Healthy(by) => {
                report.end(Ended::Done, &format!("all targets healthy, by {by}"));
                Ok(())
            }
            Proved::Superseded => {
                let said = format!("`{slot}` of `{}` was put again by someone else", self.app);
                Err(Failure::new(Exit::Superseded, said))
            }
            Proved::Unhealthy(said, details) => Err(unproved(said).details(details)),
            Proved::Refused(said) => Err(unproved(said)),
        }
    }

    fn release(&self) -> Result<Release, Failure> {
        let text = self.targets.join(" ");
        let mut release =
            Release::parse(text.as_bytes()).map_err(|e| Failure::usage(e.to_string()))?;
        release.version = self.release.clone().or(release.version);
        release.by = release.by.or_else(|| Some(who().user));
        release.at = release.at.or_else(|| Some(Timestamp::now()));
        Ok(release)
    }

    /// Whatever `active` says now, or does not say any more: a proxy goes on with its last good.
    fn refuse_a_serving_slot(&self, sight: &Sight) -> Result<(), Failure> {
        let asked = sight.keys.active().is_some_and(|active| active.share(self.slot) > 0);
        let serves = asked || sight.fleet.serving(self.slot).is_some();
        if !serves || self.force {
            return Ok(());
        }
        let said = format!("`{}` of `{}` gets requests now", self.slot, self.app);
        let other = self.slot.other();
        Err(Failure::usage(said)
            .hint(format!("announce into `{other}` and flip, or use `--force`")))
    }
}

fn unproved(said: String) -> Failure {
    Failure::new(Exit::Unhealthy, said).hint("the release stays announced; traffic is as it was")
}

/// That there was no such app, in words: its name may be a slip.
async fn made(store: &dyn Store, app: &AppName) -> Result<String, Failure> {
    let view = store.read("apps/").await?;
    let others: Vec<_> = apps(&view).into_iter().map(|keys| keys.name).collect();
    let others = others.iter().filter(|other| *other != app).map(AppName::as_str);
    let meant = nearest(app.as_str(), others);
    let meant = meant.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
    let way = format!("`shuntctl remove {app} --yes` takes it away again");
    Ok(format!("there was no app `{app}`: it is a new one now{meant}; {way}"))
}

/// The failure of a transaction by hand that was refused: by a deploy that runs, or by a change
/// that came in between.
pub(crate) fn changed_meanwhile(keys: &AppKeys) -> Failure {
    if keys.lock.is_some() {
        return locked(keys);
    }
    let said = format!("the keys of `{}` were changed at the same moment", keys.name);
    Failure::new(Exit::Superseded, said).hint("look at `shuntctl status`, then try again")
}
