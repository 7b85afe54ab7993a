//! Waiting until proxies have let go of a release.

use std::collections::BTreeMap;
use std::time::Duration;

use shunt_config::{ProxyName, Token};

use crate::ack::join;
use crate::app_keys::AppKeys;
use crate::fleet::Fleet;
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};

/// How letting go of a release went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// No live proxy has a request on it; the lost ones cannot say.
    Empty {
        /// Known proxies without a sign of life.
        lost: Vec<ProxyName>,
    },
    /// Requests were left when the time was over.
    Left(BTreeMap<ProxyName, Option<u64>>),
}

/// Waits until no live proxy names `tokens` any more, at most for `limit`. With `all`, lost
/// proxies are waited for, too.
pub async fn drained(
    sight: &mut Sight,
    tokens: &[Token],
    limit: Duration,
    all: bool,
    tell: &mut Tell<'_>,
) -> Drained {
    let waited: Result<Waited<Drained>, std::convert::Infallible> = sight
        .wait(limit, tell, |keys, fleet| {
            let holding = holding(keys, fleet, tokens);
            let lost: Vec<ProxyName> = fleet.lost().cloned().collect();
            if !holding.is_empty() {
                let key = join(holding.keys());
                return Ok(Look::Wait(key, format!("waiting for {}", leases(&holding))));
            }
            if all && !lost.is_empty() {
                let names = join(&lost);
                return Ok(Look::Wait(names.clone(), format!("waiting for {names}, lost")));
            }
            Ok(Look::Done(Drained::Empty { lost }))
        })
        .await;
    match waited {
        Ok(Waited::Done(drained)) => drained,
        Ok(Waited::TimedOut(_)) => {
            let mut left = holding(&sight.keys, &sight.fleet, tokens);
            left.extend(sight.fleet.lost().filter(|_| all).map(|name| (name.clone(), None)));
            Drained::Left(left)
        }
        Err(never) => match never {},
    }
}

fn holding(keys: &AppKeys, fleet: &Fleet, tokens: &[Token]) -> BTreeMap<ProxyName, Option<u64>> {
    let mut holding = BTreeMap::new();
    for (name, leases) in tokens.iter().flat_map(|token| fleet.holding(keys, token)) {
        let sum = holding.entry(name).or_insert(Some(0));
        *sum = sum.zip(leases).map(|(a, b): (u64, u64)| a + b);
    }
    holding
}

/// Who still has how many requests on a release, in words.
pub fn leases(holding: &BTreeMap<ProxyName, Option<u64>>) -> String {
    let say = |(name, leases): (&ProxyName, &Option<u64>)| match leases {
        Some(1) => format!("1 request on {name}"),
        Some(n) => format!("{n} requests on {name}"),
        None => format!("{name}, which does not say how many"),
    };
    holding.iter().map(say).collect::<Vec<_>>().join(", ")
}
