//! What proxies say to what is asked of them, and waiting for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use shunt_config::ProxyName;
use shunt_config::status::AppStatus;

use crate::app_keys::AppKeys;
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};

/// Something that keys ask of every live proxy.
pub trait Ask {
    /// Why it is not what `keys` ask for any more, if it is not.
    fn superseded(&self, keys: &AppKeys) -> Option<String>;

    /// What a process that says `status` of the app says to it.
    fn judge(&self, status: Option<&AppStatus>) -> Ack;
}

/// What a proxy says to what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It does exactly that.
    Applied,
    /// Not yet, and why.
    Waiting(String),
    /// It cannot, and why.
    Refused(String),
    /// It gives no sign of life.
    Lost,
}

/// How the proxies took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Every live proxy does what was asked; the lost ones were not waited for.
    Applied {
        /// How many said so.
        by: usize,
        /// Known proxies without a sign of life.
        lost: Vec<ProxyName>,
    },
    /// At least one proxy cannot.
    Refused(BTreeMap<ProxyName, String>),
    /// Someone put other keys meanwhile, and which.
    Superseded(String),
    /// Not every live proxy said so in time.
    TimedOut(String),
}

/// Waits until every live proxy does what is `asked`, at most for `limit`.
///
/// # Cancel safety
///
/// Cancelling changes nothing.
pub async fn acknowledged(
    sight: &mut Sight,
    asked: &impl Ask,
    limit: Duration,
    tell: &mut Tell<'_>,
) -> Taken {
    let waited = sight
        .wait(limit, tell, |keys, fleet| match asked.superseded(keys) {
            Some(said) => Err(Taken::Superseded(said)),
            None => judge(&fleet.acks(asked)),
        })
        .await;
    match waited {
        Ok(Waited::Done(taken)) | Err(taken) => taken,
        Ok(Waited::TimedOut(waits)) => Taken::TimedOut(waits),
    }
}

fn judge(acks: &BTreeMap<ProxyName, Ack>) -> Result<Look<Taken>, Taken> {
    let mut refused = BTreeMap::new();
    let (mut waits, mut text) = (Vec::new(), String::new());
    let (mut by, mut lost) = (0, Vec::new());
    for (name, ack) in acks {
        match ack {
            Ack::Applied => by += 1,
            Ack::Lost => lost.push(name.clone()),
            Ack::Refused(why) => drop(refused.insert(name.clone(), why.clone())),
            Ack::Waiting(why) => {
                waits.push(name.as_str());
                // Writing to a String does not fail.
                let _ = write!(text, "{}{name} ({why})", if text.is_empty() { "" } else { ", " });
            }
        }
    }
    if !refused.is_empty() {
        return Err(Taken::Refused(refused));
    }
    match (waits.is_empty(), by) {
        (true, 1..) => Ok(Look::Done(Taken::Applied { by, lost })),
        (true, 0) => Ok(Look::Wait(String::new(), silent(&lost))),
        (false, _) => Ok(Look::Wait(waits.join(" "), format!("waiting for {text}"))),
    }
}

/// Who has acknowledged, in words.
pub fn applied(by: usize, lost: &[ProxyName]) -> String {
    let missed = match lost.is_empty() {
        true => String::new(),
        false => format!("; not waited for, since lost: {}", join(lost)),
    };
    format!("by {by} prox{}{missed}", if by == 1 { "y" } else { "ies" })
}

/// That no proxy gives a sign of life, in words: for a moment, where the store has just lost their leases.
pub(crate) fn silent<'a>(lost: impl IntoIterator<Item = &'a ProxyName>) -> String {
    match join(lost) {
        none if none.is_empty() => "no proxy is known to this store".to_owned(),
        lost => format!("waiting for a sign of life of {lost}"),
    }
}

/// Names in a row.
pub fn join<'a>(names: impl IntoIterator<Item = &'a ProxyName>) -> String {
    names.into_iter().map(ProxyName::as_str).collect::<Vec<_>>().join(", ")
}
