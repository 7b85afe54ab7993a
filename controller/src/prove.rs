//! Waiting until every live proxy has proved a release's targets.

use std::time::Duration;

use shunt_config::key::AppKey;
use shunt_config::{Release, Slot, Token};

use crate::ack::{join, silent};
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};

/// How the proof went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// Every live proxy has proved every target; their names.
    Healthy(String),
    /// One of them has not: in a sentence, and target by target.
    Unhealthy(String, Vec<String>),
    /// One of them refuses it, or none is there to ask, which is nothing that its targets do.
    Refused(String),
    /// The slot holds another announcement by now.
    Superseded,
}

/// Waits until every live proxy has proved every target of `release`, announced as `token` in
/// `slot`, at most for `limit`.
pub async fn proved(
    sight: &mut Sight,
    slot: Slot,
    token: &Token,
    release: &Release,
    limit: Duration,
    tell: &mut Tell<'_>,
) -> Proved {
    let waited = sight
        .wait(limit, tell, |keys, fleet| {
            if keys.slot(slot).is_none_or(|kept| kept.token != *token) {
                return Err(Proved::Superseded);
            }
            let app = keys.app.as_ref().map(|kept| (AppKey::App, &kept.token));
            for (kind, token) in [(AppKey::Slot(slot), token)].into_iter().chain(app) {
                if let Some((proxy, reason)) = fleet.refusal(&kind, token) {
                    let key = kind.of(&keys.name);
                    return Err(Proved::Refused(format!("{proxy} refuses `{key}`: {reason}")));
                }
            }
            if fleet.live().next().is_none() {
                return Ok(Look::Wait(String::new(), silent(fleet.lost())));
            }
            let missing = fleet.unproved(token, release);
            let Some((proxy, target, last)) = missing.first() else {
                return Ok(Look::Done(join(fleet.live().map(|(name, _)| name))));
            };
            let text = format!("{} to go: {target} from {proxy}: {last}", missing.len());
            Ok(Look::Wait(format!("{proxy} {target}"), text))
        })
        .await;
    match waited {
        Ok(Waited::Done(by)) => Proved::Healthy(by),
        Err(other) => other,
        Ok(Waited::TimedOut(waits)) => {
            let missing = sight.fleet.unproved(token, release);
            if missing.is_empty() {
                return Proved::Refused(format!("the proxies have not proved it in time: {waits}"));
            }
            let said = "the proxies have not proved every target in time".to_owned();
            let details = missing.into_iter();
            let details =
                details.map(|(proxy, target, last)| format!("{target} from {proxy}: {last}"));
            Proved::Unhealthy(said, details.collect())
        }
    }
}
