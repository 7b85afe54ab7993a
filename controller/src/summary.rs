//! An app on one page: what is wanted, what each proxy serves, and what is half done.

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::record::{Deploy, Lock, Stage};
use shunt_config::status::{AppStatus, TargetState};
use shunt_config::{Slot, Token};

use crate::app_keys::{AppKeys, Kept};
use crate::fleet::{Ack, Expected, Fleet, Proxy};
use crate::report::{Report, distance, show, table};

/// An app on one page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The app.
    pub app: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// `active`, as it was put.
    pub active: Option<String>,
    /// What is in the slots.
    pub slots: Vec<SlotLine>,
    /// What each proxy says.
    pub proxies: Vec<ProxyLine>,
    /// Who holds the lock.
    pub lock: Option<Lock>,
    /// The deploy that runs, is half done, or keeps its previous release warm.
    pub deploy: Option<Deploy>,
    /// Whether that deploy is half done and nobody is at it.
    pub half_done: bool,
    /// Releases that are in no slot any more and not gone yet.
    pub draining: Vec<DrainLine>,
    /// What is wrong, and what to do about it.
    pub problems: Vec<String>,
}

/// What is in a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlotLine {
    /// The slot.
    pub slot: Slot,
    /// Percent of new requests it is to get.
    pub share: u8,
    /// Its announcement.
    pub token: Token,
    /// What people call the release.
    pub version: Option<String>,
    /// Its image.
    pub image: Option<String>,
    /// Its targets.
    pub targets: Vec<String>,
    /// Until when it is kept for `undo`.
    pub warm_until: Option<Timestamp>,
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
    /// Proxies that are missed, and since when.
    pub lost: Vec<(String, Timestamp)>,
}

impl Summary {
    /// The page for the app of `keys`, as `fleet` sees it.
    pub fn new(keys: &AppKeys, fleet: &Fleet) -> Self {
        let expected = Expected::of(keys);
        let record = keys.record().cloned();
        let half_done = keys.lock.is_none() && record.as_ref().is_some_and(Deploy::unfinished);
        let app = keys.app.as_ref().and_then(Kept::ok);
        let line = |(name, proxy): (&shunt_config::ProxyName, &Proxy)| {
            ProxyLine::new(name.as_str(), proxy, expected.as_ref())
        };
        Self {
            app: keys.name.to_string(),
            hosts: app
                .map(|app| app.hosts.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            active: keys.active.as_ref().map(|kept| kept.text().trim().to_owned()),
            slots: Slot::BOTH.into_iter().filter_map(|slot| SlotLine::new(keys, slot)).collect(),
            proxies: fleet.all().map(line).collect(),
            lock: keys.lock.as_ref().and_then(Kept::ok).cloned(),
            deploy: record,
            half_done,
            draining: drain_lines(keys, fleet),
            problems: problems(keys, half_done),
        }
    }

    /// The page for people.
    pub fn text(&self, report: &Report) -> String {
        let mut lines = Vec::new();
        let active = self.active.as_deref().unwrap_or("nothing is active");
        lines.push(format!(
            "{}  {}  → {active}",
            report.paint(&self.app, "1"),
            self.hosts.join(" ")
        ));
        lines.extend(self.slots.iter().map(|slot| slot.text(&self.proxies)));
        lines.extend(self.draining.iter().map(DrainLine::text));
        if !self.proxies.is_empty() {
            let rows: Vec<_> = self.proxies.iter().map(ProxyLine::row).collect();
            lines.push(table(&["  PROXY", "STATE", "SERVES", "REQUESTS ON OLD"], &rows));
        }
        lines.extend(self.deploy.as_ref().and_then(|record| self.deploy_text(record)));
        lines.extend(self.problems.iter().map(|p| format!("  {}  {p}", report.paint("!", "31"))));
        lines.join("\n")
    }

    fn deploy_text(&self, record: &Deploy) -> Option<String> {
        if record.stage == Stage::Warm {
            return None;
        }
        let version = record.version.as_deref().unwrap_or("a release");
        let step = record.step().map_or("about to begin", |time| time.step.as_str());
        let since = show(distance(record.began));
        let who = &record.who;
        let state = if self.half_done { "half done, nobody is at it" } else { "runs" };
        let slot = record.slot;
        Some(format!(
            "  deploy of {version} to {slot} {state}: step `{step}`, began {since} ago by {who}"
        ))
    }
}

impl SlotLine {
    fn new(keys: &AppKeys, slot: Slot) -> Option<Self> {
        let kept = keys.slot(slot)?;
        let release = kept.ok();
        let record = keys.record().filter(|record| record.stage == Stage::Warm);
        let previous = record.and_then(|r| r.previous.as_ref()).filter(|p| p.slot == slot);
        let share = keys.active().map_or(0, |active| active.share(slot));
        let targets = release.map(|r| r.targets.iter().map(|t| t.address.to_string()).collect());
        Some(Self {
            slot,
            share,
            token: kept.token.clone(),
            version: release.and_then(|r| r.version.clone()),
            image: release.and_then(|r| r.image.clone()),
            targets: targets.unwrap_or_default(),
            warm_until: previous.and(record).and_then(|r| r.warm_until).filter(|_| share == 0),
        })
    }

    fn text(&self, proxies: &[ProxyLine]) -> String {
        let version = self.version.as_deref().unwrap_or("-");
        let (mut healthy, mut all) = (0, 0);
        let targets = proxies.iter().flat_map(|p| &p.statuses).flat_map(|s| &s.targets);
        for target in targets.filter(|target| target.token == self.token) {
            all += 1;
            healthy += usize::from(target.state == TargetState::Healthy);
        }
        let health = match all {
            0 => "not probed".to_owned(),
            _ => format!("{healthy}/{all} healthy"),
        };
        let warm = match self.warm_until {
            Some(until) if until > Timestamp::now() => {
                format!("  warm for {}", show(distance(until)))
            }
            Some(_) => "  warm time is over".to_owned(),
            None => String::new(),
        };
        let share = if self.share > 0 { format!("{}%", self.share) } else { "standby".to_owned() };
        let targets = self.targets.join(" ");
        format!("  {:<6} {share:<8} {version:<12} {health:<14} {targets}{warm}", self.slot)
    }
}

impl ProxyLine {
    fn new(name: &str, proxy: &Proxy, expected: Option<&Expected>) -> Self {
        let statuses: Vec<AppStatus> = proxy.statuses().cloned().collect();
        let ack = match expected {
            Some(expected) => proxy.ack(expected),
            None if proxy.is_live() => Ack::Applied,
            None => Ack::Lost,
        };
        // A refused slot that is on standby does not hold up the ack, and is to be seen all the same.
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

    fn row(&self) -> Vec<String> {
        let serving = self.statuses.iter().flat_map(|s| &s.serving);
        let serving = serving.map(|s| {
            let share = if s.share == 100 { String::new() } else { format!(" {}%", s.share) };
            format!("{}{share} {}", s.slot, s.version.as_deref().unwrap_or(""))
        });
        let serving: std::collections::BTreeSet<String> = serving.collect();
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
    fn text(&self) -> String {
        let version = self.version.as_deref().unwrap_or("a release");
        let lost = self
            .lost
            .iter()
            .map(|(name, since)| format!(", {name} is missed for {}", show(distance(*since))));
        let lost: String = lost.collect();
        let since = show(distance(self.since));
        format!("  draining {version}, replaced {since} ago: {} request(s){lost}", self.leases)
    }
}

fn drain_lines(keys: &AppKeys, fleet: &Fleet) -> Vec<DrainLine> {
    let line = |(token, kept): (&Token, &Kept<shunt_config::record::Draining>)| {
        let draining = kept.ok()?;
        let leases = fleet.holding(keys, token).into_values().flatten().sum();
        let lost = draining.lost.iter().map(|(name, since)| (name.to_string(), *since)).collect();
        let version = draining.release().and_then(|release| release.version);
        Some(DrainLine { token: token.clone(), version, since: draining.since, leases, lost })
    };
    keys.draining.iter().filter_map(line).collect()
}

fn problems(keys: &AppKeys, half_done: bool) -> Vec<String> {
    let app = &keys.name;
    let mut problems = Vec::new();
    let mut wrong = |key: String, mistake: Option<String>| {
        problems.extend(mistake.map(|mistake| format!("`apps/{app}/{key}`: {mistake}")));
    };
    wrong("app".into(), mistake(keys.app.as_ref()));
    wrong("active".into(), mistake(keys.active.as_ref()));
    wrong("hold".into(), mistake(keys.hold.as_ref()));
    wrong("lock".into(), mistake(keys.lock.as_ref()));
    wrong("deploy".into(), mistake(keys.deploy.as_ref()));
    for slot in Slot::BOTH {
        wrong(slot.to_string(), mistake(keys.slot(slot)));
    }
    for (token, kept) in &keys.draining {
        wrong(format!("draining/{token}"), mistake(Some(kept)));
    }
    problems.extend(keys.unknown.values().map(ToString::to_string));
    if let Some(active) = keys.active() {
        let empty = active.shares().filter(|(slot, _)| keys.slot(*slot).is_none());
        problems.extend(empty.map(|(slot, _)| format!("`active` names `{slot}`, which is empty")));
    }
    if keys.app.is_none() {
        problems.push(format!(
            "`apps/{app}/app` is missing: put its hosts there, or finish with `shuntctl remove {app}`"
        ));
    }
    if half_done {
        let said = format!("a deploy is half done: `shuntctl resume {app}` finishes or undoes it");
        problems.push(said);
    }
    problems
}

fn mistake<T>(kept: Option<&Kept<T>>) -> Option<String> {
    kept?.value.as_ref().err().map(ToString::to_string)
}
