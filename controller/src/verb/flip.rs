//! `shuntctl flip`

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::record::Outcome;
use shunt_config::{Active, AppName, Token};

use crate::ack::{Ack, Expected};
use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::flip::{
    Drained, Taken, acknowledged, drained, flip, join, leases, someone_serves, unlocked,
};
use crate::history;
use crate::report::{Ended, Report};
use crate::sight::Sight;
use crate::verb::announce::changed_meanwhile;

/// Flags of `flip`.
#[derive(Debug, Args)]
pub struct Flip {
    /// The app
    app: AppName,
    /// Where new requests go: blue, green, or a split such as `blue:90,green:10` [default: the
    /// other slot]
    to: Option<Active>,
    /// What to wait for
    #[arg(long, value_enum, default_value_t = WaitFor::Applied)]
    wait: WaitFor,
    /// For how long
    #[arg(long, value_parser = time, default_value = "75s")]
    timeout: Duration,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// Every live proxy serves it
    Applied,
    /// And no known proxy has a request on the release it replaces
    Drained,
}

impl Flip {
    /// Flips, and waits.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let store = context.store()?;
        let mut sight = Sight::open(&store, &self.app).await?;
        let keys = sight.keys.clone();
        someone_serves(&sight.fleet)?;
        let to = self.to.unwrap_or_else(|| other(&keys));
        report.begin("flip", &format!("`{}` to {to}", self.app));
        if keys.active() == Some(to) && all_serve(&sight) {
            report.end(Ended::Skipped, &format!("`{}` goes to {to} already", self.app));
        } else {
            let mut entry = history::entry("flip", Outcome::Done);
            entry.active = Some(to.to_string());
            let txn = flip(&keys, to)?.when(unlocked(&keys));
            let id = history::new_id();
            let txn = history::add(txn, &keys, &id, &entry);
            let outcome = store.commit(txn).await?;
            let Some(token) = outcome.token(AppKey::Active.of(&self.app)) else {
                return Err(changed_meanwhile(&AppKeys::read(&*store, &self.app).await?));
            };
            report.end(Ended::Done, &format!("`{}` is to go to {to}", self.app));
            report.event(
                "flipped",
                json!({ "app": self.app, "active": to.to_string(), "token": token }),
            );
            let expected = expected(&keys, token, to);
            let applied = wait_applied(report, &mut sight, &expected, self.timeout).await;
            if let Err(failure) = &applied {
                let key = AppKey::History(id).of(&self.app).to_string();
                history::correct(&*store, &key, outcome.token(&key), entry, failure).await;
            }
            applied?;
        }
        match self.wait {
            WaitFor::Applied => Ok(()),
            WaitFor::Drained => {
                self.wait_drained(report, &mut sight, &left_behind(&keys, to)).await
            }
        }
    }

    async fn wait_drained(
        &self,
        report: &Report,
        sight: &mut Sight,
        tokens: &[Token],
    ) -> Result<(), Failure> {
        report.begin("drain", "requests on the release that was active");
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        match drained(sight, tokens, self.timeout, true, &mut tell).await {
            Drained::Empty { .. } => {
                report.end(Ended::Done, "no proxy has a request on it");
                Ok(())
            }
            Drained::Left(left) => {
                let said = format!("not drained in time: {}", leases(&left));
                let hint = "flipped all the same; do not stop the old release yet";
                Err(Failure::new(Exit::Unacknowledged, said).hint(hint))
            }
        }
    }
}

/// Waits until every live proxy serves what is `expected`; a flip by hand stays as it is if not.
pub(crate) async fn wait_applied(
    report: &Report,
    sight: &mut Sight,
    expected: &Expected,
    limit: Duration,
) -> Result<(), Failure> {
    report.begin("acknowledge", "by every live proxy");
    let mut tell = |key: &str, text: &str| report.progress(key, text);
    match acknowledged(sight, expected, limit, &mut tell).await {
        Taken::Applied { by, lost } => {
            let missed = match lost.is_empty() {
                true => String::new(),
                false => format!("; not waited for, since lost: {}", join(&lost)),
            };
            report.end(
                Ended::Done,
                &format!("by {by} prox{}{missed}", if by == 1 { "y" } else { "ies" }),
            );
            Ok(())
        }
        Taken::Refused(why) => {
            let details = why.iter().map(|(proxy, reason)| format!("{proxy}: {reason}"));
            let said = format!("refused by {}", join(why.keys()));
            let hint = "`active` stays as it was put; `shuntctl undo` goes back";
            Err(Failure::new(Exit::Unacknowledged, said).details(details).hint(hint))
        }
        Taken::TimedOut(waits) => {
            Err(Failure::new(Exit::Unacknowledged, format!("not acknowledged in time: {waits}")))
        }
        Taken::Superseded(said) => Err(Failure::new(Exit::Superseded, said)),
    }
}

/// What `active` asks for once it is put as `token` with the value `to`.
pub(crate) fn expected(keys: &AppKeys, token: Token, to: Active) -> Expected {
    let slots = to.shares().filter_map(|(slot, _)| keys.slot(slot));
    Expected {
        active: token,
        app: keys.app.as_ref().map(|kept| kept.token.clone()),
        serving: slots.map(|kept| kept.token.clone()).collect(),
    }
}

/// The releases that get no new requests once `active` is `to`.
fn left_behind(keys: &AppKeys, to: Active) -> Vec<Token> {
    let old = to.shares().map(|(slot, _)| slot).collect::<Vec<_>>();
    let slots = shunt_config::Slot::BOTH.into_iter().filter(|slot| !old.contains(slot));
    slots.filter_map(|slot| Some(keys.slot(slot)?.token.clone())).collect()
}

fn other(keys: &AppKeys) -> Active {
    let free = || shunt_config::Slot::BOTH.into_iter().find(|slot| keys.slot(*slot).is_some());
    let slot = match keys.active() {
        Some(active) => active.main().other(),
        None => free().unwrap_or(shunt_config::Slot::Blue),
    };
    Active::all(slot)
}

fn all_serve(sight: &Sight) -> bool {
    let Some(expected) = Expected::of(&sight.keys) else { return false };
    let acks = sight.fleet.acks(&expected);
    acks.values().all(|ack| matches!(ack, Ack::Applied | Ack::Lost))
}
