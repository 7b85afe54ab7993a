//! The lines of an app's page: one for each slot, proxy and replaced release.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::record::{self, Draining, Stage};
use shunt_config::status::{AppStatus, TargetState};
use shunt_config::{Engine, Slot, Token};

use crate::ack::Ack;
use crate::app_keys::{AppKeys, Kept};
use crate::expected::Expected;
use crate::fleet::{Fleet, Proxy};
use crate::stay::Stay;
use crate::time::{age, remaining, show};
use crate::undo::is_previous;

/// What is in a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlotLine {
    /// The slot.
    pub slot: Slot,
    /// Percent of new requests it is to get.
    pub share: u8,
    /// Why live proxies send requests here all the same, where `share` is 0 and they do.
    pub serves: Option<&'static str>,
    /// Its announcement.
    pub token: Token,
    /// What people call the release.
    pub version: Option<String>,
    /// Its image.
    pub image: Option<String>,
    /// Its targets.
    pub targets: Vec<String>,
    /// Its workers: how many by their names.
    pub workers: BTreeMap<String, u16>,
    /// Whether they are to run: those of what gets requests, unless they did not come to run after the flip.
    pub workers_run: bool,
    /// The engines they run on, as far as a deploy started them.
    pub engines: Vec<Engine>,
    /// Until when it is kept for `undo`.
    pub warm_until: Option<Timestamp>,
    /// Visitors who stay on it, though new ones go elsewhere.
    pub sessions: Option<Stay>,
}

/// What a proxy says of the app.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProxyLine {
    /// The proxy.
    pub proxy: String,
    /// `applied`, `waiting`, `refused`, `lost`, or `idle` where nothing is asked of it.
    pub state: &'static str,
    /// Why it is not applied.
    pub reason: Option<String>,
    /// What its processes say, word by word.
    pub statuses: Vec<AppStatus>,
}

/// A release that is in no slot any more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrainLine {
    /// Its announcement.
    pub token: Token,
    /// What people call it.
    pub version: Option<String>,
    /// When it left its slot.
    pub since: Timestamp,
    /// Requests it still has, as far as the proxies say.
    pub leases: u64,
    /// Visitors who stay on it.
    pub sessions: Option<Stay>,
    /// Proxies that are missed, and since when.
    pub lost: Vec<(String, Timestamp)>,
}

impl SlotLine {
    pub(super) fn new(keys: &AppKeys, fleet: &Fleet, slot: Slot) -> Option<Self> {
        let kept = keys.slot(slot)?;
        let release = kept.ok();
        let record = keys.record().filter(|record| record.stage == Stage::Warm);
        let previous = record.and_then(|r| r.previous.as_ref()).filter(|p| p.slot == slot);
        let previous = previous.filter(|previous| is_previous(kept, previous));
        let share = keys.active().map_or(0, |active| active.share(slot));
        let targets = release.map(|r| r.targets.iter().map(|t| t.address.to_string()).collect());
        Some(Self {
            slot,
            share,
            serves: fleet.serving(slot).filter(|_| share == 0).map(|_| why_served(keys)),
            token: kept.token.clone(),
            version: release.and_then(|r| r.version.clone()),
            image: release.and_then(|r| r.image.clone()),
            targets: targets.unwrap_or_default(),
            workers: release.map(|r| r.workers.clone()).unwrap_or_default(),
            workers_run: match idle(keys) {
                // What was announced after it has workers that wait for their own flip.
                Some(id) => release.and_then(|r| r.deploy.as_deref()).is_some_and(|own| own < id),
                None => share > 0,
            },
            engines: release.map(|r| r.engines.clone()).unwrap_or_default(),
            warm_until: previous.and(record).and_then(|r| r.warm_until).filter(|_| share == 0),
            sessions: Stay::of(fleet, &kept.token),
        })
    }

    pub(super) fn text(&self, proxies: &[ProxyLine]) -> String {
        let version = self.version.as_deref().unwrap_or("-");
        let health = self.health(proxies);
        let warm = match self.warm_until {
            Some(until) if until > Timestamp::now() => {
                format!("  warm for {}", show(remaining(until)))
            }
            Some(_) => "  warm time is over".to_owned(),
            None => String::new(),
        };
        // What is wanted: which of them run, only their engines know.
        let wanted = if self.workers_run { " (to run)" } else { " (to be stopped)" };
        let wanted = Some(wanted).filter(|_| !self.workers.is_empty());
        let share = match self.serves {
            Some(why) => format!("serving ({why})"),
            None if self.share > 0 => format!("{}%", self.share),
            None => "standby".to_owned(),
        };
        let workers = self.workers.iter().map(|(name, n)| format!("  {name} ×{n}"));
        let workers = workers.chain(wanted.map(str::to_owned)).collect::<String>();
        let targets = self.targets.join(" ") + &workers;
        let stay = self.sessions.filter(|stay| !stay.is_over());
        let stay = stay.map(|stay| format!("  {}", stay.text(stay.until))).unwrap_or_default();
        format!("  {:<6} {share:<8} {version:<12} {health:<14} {targets}{warm}{stay}", self.slot)
    }

    /// How many of its targets are healthy for every process that has looked at them; where the proxies
    /// differ, which says what.
    fn health(&self, proxies: &[ProxyLine]) -> String {
        let statuses = proxies.iter().flat_map(|p| p.statuses.iter().map(move |s| (&p.proxy, s)));
        let counted = statuses.filter_map(|(proxy, status)| {
            let own = || status.targets.iter().filter(|target| target.token == self.token);
            let healthy = own().filter(|target| target.state == TargetState::Healthy).count();
            (own().count() > 0).then(|| (proxy, format!("{healthy}/{}", own().count())))
        });
        let counted: BTreeSet<(&String, String)> = counted.collect();
        let counts: BTreeSet<&String> = counted.iter().map(|(_, count)| count).collect();
        match counts.into_iter().collect::<Vec<_>>().as_slice() {
            [] => "not probed".to_owned(),
            [same] => match counted.len() {
                1 => format!("{same} healthy"),
                n => format!("{same} healthy, by {n} proxies"),
            },
            _ => {
                let each = counted.iter().map(|(proxy, count)| format!("{count} by {proxy}"));
                format!("healthy: {}", each.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The deploy whose workers did not come to run after its flip, as long as that flip stands: those of
/// the release before it do.
pub(super) fn idle(keys: &AppKeys) -> Option<&str> {
    let active = &keys.active.as_ref()?.token;
    let idle = |entry: &record::History| entry.idle.as_ref() == Some(active);
    let mut entries = keys.history.iter().rev();
    let found = entries.find(|(_, kept)| kept.ok().is_some_and(idle))?;
    Some(found.0)
}

/// Why a slot that is to get no requests may be served.
fn why_served(keys: &AppKeys) -> &'static str {
    match keys.active.as_ref().map(|kept| kept.ok().is_some()) {
        Some(true) => "not every proxy has flipped",
        Some(false) => "`active` cannot be read",
        None => "`active` is missing",
    }
}

impl ProxyLine {
    pub(super) fn new(name: &str, proxy: &Proxy, expected: Option<&Expected>) -> Self {
        let statuses: Vec<AppStatus> = proxy.statuses().cloned().collect();
        let ack = match expected {
            Some(expected) => proxy.ack(expected),
            None if proxy.is_live() => Ack::Applied,
            None => Ack::Lost,
        };
        // A refused slot on standby does not hold up the ack, and is to be seen all the same.
        let refused = statuses.iter().flat_map(|s| &s.refused).next();
        let refused = refused.map(|r| format!("`{}`: {}", r.key, r.reason));
        let (state, reason) = match ack {
            Ack::Refused(why) => ("refused", refused.or(Some(why))),
            Ack::Waiting(why) => ("waiting", Some(why)),
            Ack::Lost => ("lost", None),
            Ack::Applied if refused.is_some() => ("refused", refused),
            Ack::Applied if expected.is_none() => ("idle", None),
            Ack::Applied => ("applied", None),
        };
        Self { proxy: name.to_owned(), state, reason, statuses }
    }

    pub(super) fn row(&self) -> Vec<String> {
        let serving = self.statuses.iter().flat_map(|s| &s.serving);
        let serving = serving.map(|s| {
            let share = if s.share == 100 { String::new() } else { format!(" {}%", s.share) };
            format!("{}{share} {}", s.slot, s.version.as_deref().unwrap_or(""))
        });
        let serving: BTreeSet<String> = serving.collect();
        let serving: Vec<String> = serving.into_iter().collect();
        let leases: u64 = self.statuses.iter().flat_map(|s| s.draining.values()).sum();
        let state = match &self.reason {
            Some(reason) => format!("{}: {reason}", self.state),
            None => self.state.to_owned(),
        };
        let from_disk = match self.statuses.iter().any(|status| status.stale) {
            true => " (stale: served from its snapshot)",
            false => "",
        };
        vec![
            format!("  {}", self.proxy),
            format!("{state}{from_disk}"),
            serving.join(", ").trim().to_owned(),
            if leases > 0 { leases.to_string() } else { String::new() },
        ]
    }
}

impl DrainLine {
    pub(super) fn text(&self) -> String {
        let version = self.version.as_deref().unwrap_or("a release");
        let lost = self
            .lost
            .iter()
            .map(|(name, since)| format!(", {name} is missed for {}", show(age(*since))));
        let lost: String = lost.collect();
        let since = show(age(self.since));
        let left = match self.sessions.filter(|stay| !stay.is_over()) {
            Some(stay) => stay.text(stay.until),
            None => format!("{} request(s)", self.leases),
        };
        format!("  draining {version}, replaced {since} ago: {left}{lost}")
    }
}

pub(super) fn drain_lines(keys: &AppKeys, fleet: &Fleet) -> Vec<DrainLine> {
    let line = |(token, kept): (&Token, &Kept<Draining>)| {
        let draining = kept.ok()?;
        let leases = fleet.holding(keys, token).into_values().flatten().sum();
        let lost = draining.lost.iter().map(|(name, since)| (name.to_string(), *since)).collect();
        let version = draining.release().and_then(|release| release.version);
        let (since, sessions) = (draining.since, Stay::of(fleet, token));
        Some(DrainLine { token: token.clone(), version, since, leases, sessions, lost })
    };
    keys.draining.iter().filter_map(line).collect()
}
