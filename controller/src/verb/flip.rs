//! `shuntctl flip`

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use shunt_config::key::AppKey;
use shunt_config::{Active, AppName, Slot, Token};
use tokio::time::Instant;

use crate::ack::{Ack, Ask, Taken, acknowledged, applied, join};
use crate::app_keys::{AppKeys, Kept};
use crate::cli::time;
use crate::context::Context;
use crate::drained::{Drained, drained, leases};
use crate::exit::{Exit, Failure};
use crate::expected::Expected;
use crate::flip::{flip, someone_serves, unlocked};
use crate::history::Open;
use crate::report::{Ended, Report};
use crate::retire::forget_drained;
use crate::sight::Sight;
use crate::stay::who_is_left;
use crate::verb::announce::changed_meanwhile;
use crate::workers;

/// What its help ends with.
pub(crate) const HELP: &str = "\
A split sends each slot its part of the visitors, in percent: `blue:90,green:10`. What this puts is
`active`; where a proxy refuses it, it stays, and `shuntctl undo` goes back. Nothing is stopped, not
even with `--wait drained`, which waits for lost proxies as well.

Examples:
  shuntctl flip web
  shuntctl flip web blue --wait drained --timeout 5m
  shuntctl flip web blue:90,green:10";

/// Flags of `flip`.
#[derive(Debug, Args)]
pub struct Flip {
    /// The app
    app: AppName,
    /// Where new requests go: blue, green, or a split such as `blue:90,green:10` [default: the
    /// other slot]
    to: Option<Active>,
    /// `applied`: until every live proxy serves it; `drained`: and no known proxy has a request on
    /// the release that it replaces
    #[arg(long, value_enum, default_value_t = WaitFor::Applied)]
    wait: WaitFor,
    /// For how long to wait for each
    #[arg(long, value_parser = time, default_value = "75s", value_name = "TIME")]
    timeout: Duration,
}

/// What to wait for. (Their meaning is in the flag's help: where values have a help of their own, clap
/// shows the whole of it in its long form.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WaitFor {
    Applied,
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
        let to = self.to.map_or_else(|| other(&keys), Ok)?;
        report.begin("flip", &format!("`{}` to {to}", self.app));
        if keys.active() == Some(to) && all_serve(&sight) {
            report.end(Ended::Skipped, &format!("`{}` goes to {to} already", self.app));
            self.drain(report, &mut sight, &left_behind(&keys, to)).await?;
        } else {
            let entry = Open::new("flip", &keys, to);
            let txn = entry.begin(flip(&keys, to)?.when(unlocked(&keys)), &keys);
            report.stands(unsure(&self.app));
            let outcome = store.commit(txn).await?;
            let Some(token) = outcome.token(AppKey::Active.of(&self.app)) else {
                return Err(changed_meanwhile(&AppKeys::read(&*store, &self.app).await?));
            };
            report.stands(format!("the flip stands; `shuntctl undo {}` goes back", self.app));
            report.end(Ended::Done, &format!("`{}` is to go to {to}", self.app));
            report.event(
                "flipped",
                json!({ "app": self.app, "active": to.to_string(), "token": token }),
            );
            let expected = expected(&keys, token, to);
            let mut done =
                wait_applied(report, &mut sight, &expected, self.timeout, &FLIPPED).await;
            if done.is_ok() {
                workers::follow_in_turn(report, &*store, &self.app, "flip", self.timeout).await;
                done = self.drain(report, &mut sight, &left_behind(&keys, to)).await;
            }
            entry.end(&*store, &outcome, &done).await;
            done?;
        }
        forget_drained(context, &*store, &self.app).await;
        Ok(())
    }

    async fn drain(
        &self,
        report: &Report,
        sight: &mut Sight,
        tokens: &[Token],
    ) -> Result<(), Failure> {
        if self.wait == WaitFor::Applied {
            return Ok(());
        }
        report.begin("drain", "requests on the release that was active");
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let began = Instant::now();
        let hint = "flipped all the same; do not stop the old release yet";
        report.stands(hint.to_owned());
        if let Some(stay) = who_is_left(sight, tokens, self.timeout, &mut tell).await {
            let said = format!("not drained in time: {stay}");
            return Err(Failure::new(Exit::Unacknowledged, said).hint(hint));
        }
        let rest = self.timeout.saturating_sub(began.elapsed());
        match drained(sight, tokens, rest, true, &mut tell).await {
            Drained::Empty { .. } => {
                report.end(Ended::Done, "no proxy has a request on it");
                Ok(())
            }
            Drained::Left(left) => {
                let said = format!("not drained in time: {}", leases(&left));
                Err(Failure::new(Exit::Unacknowledged, said).hint(hint))
            }
        }
    }
}

/// What is to be known while the store is asked to write.
pub(crate) fn unsure(app: &AppName) -> String {
    format!("it may be written by now: `shuntctl status {app}` shows it")
}

/// What there is to do where proxies do not take what was put by hand, which stays as it is.
pub(crate) struct Ways {
    /// Where one refuses it.
    pub(crate) refused: Option<&'static str>,
    /// Where one takes its time.
    pub(crate) late: &'static str,
}

/// Those after a flip.
pub(crate) const FLIPPED: Ways = Ways {
    refused: Some("`active` stays as it was put; `shuntctl undo` goes back"),
    late: "`active` stays as it was put, and proxies go on with it when they can: `shuntctl status` \
           shows who differs, `shuntctl undo` goes back",
};

/// Waits until every live proxy does what is `asked`.
pub(crate) async fn wait_applied(
    report: &Report,
    sight: &mut Sight,
    asked: &impl Ask,
    limit: Duration,
    ways: &Ways,
) -> Result<(), Failure> {
    report.begin("acknowledge", "by every live proxy");
    let mut tell = |key: &str, text: &str| report.progress(key, text);
    match acknowledged(sight, asked, limit, &mut tell).await {
        Taken::Applied { by, lost } => {
            report.end(Ended::Done, &applied(by, &lost));
            Ok(())
        }
        Taken::Refused(why) => {
            let details = why.iter().map(|(proxy, reason)| format!("{proxy}: {reason}"));
            let said = format!("refused by {}", join(why.keys()));
            let failure = Failure::new(Exit::Unacknowledged, said).details(details);
            Err(match ways.refused {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        Taken::TimedOut(waits) => {
            let said = format!("not acknowledged in time: {waits}");
            Err(Failure::new(Exit::Unacknowledged, said).hint(ways.late))
        }
        Taken::Superseded(said) => {
            let hint = "theirs stays: look at `shuntctl status`";
            Err(Failure::new(Exit::Superseded, said).hint(hint))
        }
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
    let slots = Slot::BOTH.into_iter().filter(|slot| !old.contains(slot));
    slots.filter_map(|slot| Some(keys.slot(slot)?.token.clone())).collect()
}

/// All to the other slot, where it is plain which one that is.
fn other(keys: &AppKeys) -> Result<Active, Failure> {
    let app = &keys.name;
    let filled: Vec<Slot> = Slot::BOTH.into_iter().filter(|s| keys.slot(*s).is_some()).collect();
    let unclear = match (keys.active.as_ref().map(Kept::read), filled.as_slice()) {
        (Some(Ok(now)), _) => match now.only() {
            Some(slot) => return Ok(Active::all(slot.other())),
            None => format!("both slots of `{app}` get requests ({now})"),
        },
        (_, [slot]) => return Ok(Active::all(*slot)),
        (None, []) => format!("`{app}` has no release in any slot"),
        (None, _) => format!("nothing of `{app}` is active"),
        (Some(Err(mistake)), _) => {
            format!("`{}` cannot be read: {mistake}", AppKey::Active.of(app))
        }
    };
    let hint = format!("say where to go: `shuntctl flip {app} blue`, or green");
    Err(Failure::usage(unclear).hint(hint))
}

fn all_serve(sight: &Sight) -> bool {
    let Some(expected) = Expected::of(&sight.keys) else { return false };
    let acks = sight.fleet.acks(&expected);
    acks.values().all(|ack| matches!(ack, Ack::Applied | Ack::Lost))
}
