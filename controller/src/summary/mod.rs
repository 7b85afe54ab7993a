//! An app on one page: what is wanted, what each proxy serves, and what is half done.

use serde::Serialize;
use shunt_config::Slot;
use shunt_config::record::{Deploy, Lock, Stage};

use crate::app_keys::{AppKeys, Kept};
use crate::expected::Expected;
use crate::fleet::{Fleet, Proxy};
use crate::lock::{held_by, is_held};
use crate::report::{Paint, Report, plain, table};
use crate::time::{age, show};

mod canary;
mod hold;
mod lines;
mod mirror;
mod problems;

pub use canary::CanaryLine;
use hold::HoldLine;
use lines::drain_lines;
pub use lines::{DrainLine, ProxyLine, SlotLine};
pub use mirror::MirrorLine;
use problems::problems;

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
    /// What stops its requests.
    pub hold: Option<HoldLine>,
    /// Which requests its standby release gets copies of.
    pub mirror: Option<MirrorLine>,
    /// What each proxy says.
    pub proxies: Vec<ProxyLine>,
    /// Who holds the lock.
    pub lock: Option<Lock>,
    /// The deploy that runs, is half done, or keeps its previous release warm.
    pub deploy: Option<Deploy>,
    /// The canary that it has come to.
    pub canary: Option<CanaryLine>,
    /// Whether that deploy is half done and nobody is at it.
    pub half_done: bool,
    /// Releases that are in no slot any more and not gone yet.
    pub draining: Vec<DrainLine>,
    /// What is wrong, and what to do about it.
    pub problems: Vec<String>,
}

impl Summary {
    /// The page for the app of `keys`, as `fleet` sees it.
    pub fn new(keys: &AppKeys, fleet: &Fleet) -> Self {
        let expected = Expected::of(keys);
        let record = keys.record().cloned();
        let half_done = !is_held(keys) && record.as_ref().is_some_and(Deploy::unfinished);
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
            slots: Slot::BOTH
                .into_iter()
                .filter_map(|slot| SlotLine::new(keys, fleet, slot))
                .collect(),
            hold: HoldLine::new(keys, fleet),
            mirror: MirrorLine::new(keys, fleet),
            proxies: fleet.all().map(line).collect(),
            lock: keys.lock.as_ref().and_then(Kept::ok).cloned(),
            canary: CanaryLine::new(keys, fleet),
            deploy: record,
            half_done,
            draining: drain_lines(keys, fleet),
            problems: problems(keys, fleet, half_done),
        }
    }

    /// The page for people.
    pub fn text(&self, report: &Report) -> String {
        let mut lines = Vec::new();
        let active = self.active.as_deref().unwrap_or("nothing is active");
        lines.push(format!(
            "{}  {}  → {active}",
            report.paint(&self.app, Paint::Bold),
            self.hosts.join(" ")
        ));
        lines.extend(self.slots.iter().map(|slot| slot.text(&self.proxies)));
        lines.extend(self.hold.as_ref().map(|hold| report.paint(&hold.text(), Paint::Bold)));
        lines.extend(self.mirror.as_ref().map(MirrorLine::text));
        lines.extend(self.draining.iter().map(DrainLine::text));
        if !self.proxies.is_empty() {
            let rows: Vec<_> = self.proxies.iter().map(ProxyLine::row).collect();
            let table = table(&["  PROXY", "STATE", "SERVES", "REQUESTS ON OLD"], &rows);
            lines.extend(table.lines().map(str::to_owned));
        }
        lines.extend(self.deploy.as_ref().and_then(|record| self.deploy_text(record)));
        lines.extend(self.canary.as_ref().map(CanaryLine::text));
        // A deploy that runs says by itself who is at it.
        let other = |lock: &&Lock| self.deploy.as_ref().is_none_or(|record| record.who != lock.who);
        let lock = self.lock.as_ref().filter(other);
        lines.extend(lock.map(|lock| format!("  locked: {}", held_by(lock))));
        lines.extend(
            self.problems.iter().map(|p| format!("  {}  {p}", report.paint("!", Paint::Red))),
        );
        lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
    }

    fn deploy_text(&self, record: &Deploy) -> Option<String> {
        if record.stage == Stage::Warm {
            return None;
        }
        let version = record.version.as_deref().unwrap_or("a release");
        let step = record.step().map_or("about to begin", |time| time.step.as_str());
        let since = show(age(record.began));
        let who = &record.who;
        let state = if self.half_done { "half done, nobody is at it" } else { "runs" };
        let slot = record.slot;
        Some(format!(
            "  deploy of {version} to {slot} {state}: step `{step}`, began {since} ago by {who}"
        ))
    }
}
