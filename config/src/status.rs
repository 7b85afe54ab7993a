//! What a proxy says of itself: the values under `fleet/` and `proxies/`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hold::Mode;
use crate::latency::bound;
use crate::slot::Slot;
use crate::token::Token;

/// The value of `fleet/<proxy>`: a proxy that exists. Written at its start, removed at a clean stop
/// or by `shuntctl proxy forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// When it was first written.
    pub since: jiff::Timestamp,
    /// Version of the program that wrote it.
    pub version: String,
}

/// The value of `proxies/<proxy>/<instance>/instance`: one process that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// When the process started.
    pub started: jiff::Timestamp,
    /// Its version.
    pub version: String,
    /// Its process id on its machine.
    pub pid: u32,
    /// Its admin listener, if it has one.
    pub admin: Option<String>,
}

/// The value of `proxies/<proxy>/<instance>/apps/<app>`: what this process serves for the app.
///
/// It is an ack: the tokens here are compared for equality with those of the keys. It is written
/// whole, after the snapshot it speaks of went live, so no ack is ever ahead of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// Token of the app settings now served.
    pub app: Option<Token>,
    /// Token of the `active` value that is now served; `None` after it was deleted or restored.
    pub active: Option<Token>,
    /// The releases that new requests go to. Empty: nothing is served yet.
    pub serving: Vec<Serving>,
    /// Keys whose present value can never apply as written; the last good stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// The flip that is not proved yet; the last good stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Leases (requests and tunnels not over) per release that new requests no longer go to. A
    /// release that is neither here nor in `serving` is drained.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub draining: BTreeMap<Token, u64>,
    /// Releases that new visitors no longer go to, and that their own stay on. One that is not here
    /// gets no new request whatever cookie it brings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sessions: BTreeMap<Token, Stays>,
    /// Releases that previews reach, whether new requests go to them or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<Token>,
    /// Leases per release of previews that reach it no longer; in `draining` are none of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub previews_left: BTreeMap<Token, u64>,
    /// What stops the app's requests, from the moment that it took effect: no request could claim a
    /// release from then on. Gone with the last request that waited for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// What copies of requests come to at the standby release, from the moment that `mirror` was seen
    /// until it is gone or put anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorStatus>,
    /// What requests to each release came to; told only while a deploy of the app runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Token, Counts>,
    /// Every target probed for this app.
    #[serde(default)]
    pub targets: Vec<TargetStatus>,
    /// Whether this is served from the snapshot on disk and not yet confirmed by the store.
    #[serde(default)]
    pub stale: bool,
}

/// One release that new requests go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Its slot.
    pub slot: Slot,
    /// Its announcement.
    pub token: Token,
    /// Percent of new requests, 1 to 100.
    pub share: u8,
    /// What people call it.
    pub version: Option<String>,
}

/// Who stays on a release that new visitors no longer go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stays {
    /// The slot it is in, or was.
    pub slot: Slot,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Visitors that this process has seen with its cookie and who are not idle. At least so many: of
    /// more than a few thousand some may be taken for one.
    pub visitors: u32,
    /// Requests and tunnels of theirs that are not over.
    pub requests: u64,
    /// Until when others may come back who were given its cookie and have not shown it to this
    /// process; `None` if nobody can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_until: Option<jiff::Timestamp>,
    /// When the last of them has to go, by this proxy's clock.
    pub until: jiff::Timestamp,
}

/// What stops an app's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Token of the `hold` value.
    pub token: Token,
    /// What it asks for.
    pub mode: Mode,
    /// How far it has come.
    pub state: HoldState,
    /// Requests that wait.
    pub waiting: u32,
    /// When its time is over, by this proxy's clock; `None` without an end, and once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
    /// Leases (requests and tunnels not over) on every release, those that serve included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<Token, u64>,
}

/// How far a hold has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Requests wait, or are told of the maintenance.
    Stops,
    /// Its time is over, and requests are refused.
    Refuses,
    /// Its time is over, and requests go through.
    Over,
    /// The key is gone, and requests that waited are let go one by one.
    LettingGo,
}

/// What copies of requests come to at a release that gets none itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorStatus {
    /// Token of the `mirror` value.
    pub token: Token,
    /// The release that gets copies now; `None` while none is proved in the slot, while the one there
    /// gets requests itself, and once the time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Token>,
    /// When its time is over, by this proxy's clock; `None` once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
    /// What was counted since the value was seen.
    #[serde(default)]
    pub counts: Mirrored,
}

/// Requests that were copied, and their copies: two figures of each, over the same requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrored {
    /// What the release that was asked answered, until the head of its answer.
    pub originals: Tally,
    /// What the standby release answered to the copies, until the head of its answer.
    pub copies: Tally,
    /// Pairs of which both are over and whose statuses are of different classes (2xx, 3xx, …).
    #[serde(default)]
    pub differ: u64,
    /// Requests whose turn it was and that were not copied, for want of room.
    #[serde(default)]
    pub left_out: u64,
}

/// A key whose present value can never apply as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The key, relative to the prefix.
    pub key: String,
    /// Token of the refused value; `None` if the key was deleted.
    pub token: Option<Token>,
    /// Why, as one sentence.
    pub reason: String,
}

/// A flip that waits for its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Token of the `active` value that waits.
    pub active: Option<Token>,
    /// The releases it waits for.
    pub tokens: Vec<Token>,
    /// What is missing, as one sentence.
    pub reason: String,
    /// Since when.
    pub since: jiff::Timestamp,
}

/// One probed target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The release it belongs to.
    pub token: Token,
    /// That release's slot.
    pub slot: Slot,
    /// Its address as announced.
    pub address: String,
    /// What the probes say.
    pub state: TargetState,
    /// The last answer or error, as one sentence; the only field that may lag behind, since it is
    /// written when `state` changes.
    pub last: String,
}

/// What the probes say of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// Announced and not yet passed.
    Unproved,
    /// Passed, and not failed since.
    Healthy,
    /// Failed `fall` times in a row.
    Failing,
}

/// What requests to one release came to in one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Since this process saw it announced.
    pub total: Tally,
    /// The same ten to twenty minutes ago; nothing for a younger one.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub earlier: Tally,
}

/// Requests that are over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub requests: u64,
    /// Those answered with 5xx, by the release or for want of its answer.
    #[serde(default)]
    pub errors: u64,
    /// Connections to a target that could not be made; the request may have been sent elsewhere.
    #[serde(default)]
    pub connects: u64,
    /// How many took how long, by the index of their bucket ([`crate::latency`]).
    #[serde(default)]
    pub latency: BTreeMap<usize, u64>,
}

impl Tally {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another process counted.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.connects += other.connects;
        for (index, n) in &other.latency {
            *self.latency.entry(*index).or_default() += n;
        }
    }

    /// What was counted since `earlier`, an older state of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let latency = self.latency.iter().filter_map(|(index, n)| {
            let new = n.saturating_sub(earlier.latency.get(index).copied().unwrap_or_default());
            (new > 0).then_some((*index, new))
        });
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: self.errors.saturating_sub(earlier.errors),
            connects: self.connects.saturating_sub(earlier.connects),
            latency: latency.collect(),
        }
    }

    /// The time within which `percent` of a hundred requests were over, to the bound of its bucket;
    /// `None` without requests, and beyond the last bound.
    pub fn within(&self, percent: u8) -> Option<Duration> {
        let all: u64 = self.latency.values().sum();
        let mut seen = 0;
        let reached = |(_, n): &(&usize, &u64)| {
            seen += **n;
            seen * 100 >= all * u64::from(percent)
        };
        self.latency.iter().find(reached).and_then(|(index, _)| bound(*index))
    }

    /// Requests that took at least as long as the lower bound of bucket `index`.
    pub fn slow(&self, index: usize) -> u64 {
        self.latency.range(index..).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_since_is_what_came_on_top() {
        let earlier =
            Tally { requests: 3, errors: 1, connects: 0, latency: [(4, 2), (9, 1)].into() };
        let new = Tally { requests: 2, errors: 1, connects: 1, latency: [(4, 1), (30, 1)].into() };
        let mut total = earlier.clone();
        total.add(&new);
        assert_eq!(total.since(&earlier), new);
        assert_eq!((total.slow(0), total.slow(5), total.slow(31)), (5, 2, 0));
    }
}
