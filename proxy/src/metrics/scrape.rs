//! The body of `/metrics`, written piece by piece as it is sent: with ten thousand busy apps it has
//! tens of megabytes, and neither these nor the series they are written from are ever there as a whole.

use std::sync::Arc;

use prometheus::{Registry, TextEncoder};
use shunt_config::status::TargetState;
use shunt_config::{AppName, Slot};

use super::catalog as of;
use super::families::{Series, float};
use super::meters::CLASSES;
use crate::control::overview::{AppView, Overview};

/// Apps whose series of one family are written at one go: a fraction of a millisecond.
const APPS: usize = 64;

/// What adds an app's series to one family.
type Add = fn(&mut Series, &str, &AppView);

/// The families of which every app that is not quiet has series.
const EACH: [(&of::Family, Add); 7] = [
    (&of::REQUESTS, requests),
    (&of::DURATION, duration),
    (&of::IN_FLIGHT, in_flight),
    (&of::TARGET_UP, target_up),
    (&of::SERVING, serving),
    (&of::RELEASE, release),
    (&of::FLIPS, flips),
];

/// The body of one answer, in pieces.
#[derive(Debug)]
pub struct Scrape {
    /// What is written first.
    head: Option<String>,
    apps: Vec<(AppName, Arc<AppView>)>,
    family: usize,
    /// How many apps the present family is written of.
    written: usize,
}

impl Scrape {
    /// What `registry` collects, and the series of the apps in `view`.
    pub fn new(registry: &Registry, view: &Overview) -> prometheus::Result<Self> {
        let loud = view.apps.iter().filter(|(_, app)| !app.is_quiet());
        Ok(Self {
            head: Some(TextEncoder::new().encode_to_string(&registry.gather())?),
            apps: loud.map(|(name, app)| (name.clone(), Arc::clone(app))).collect(),
            family: 0,
            written: 0,
        })
    }

    /// The next piece of the present family.
    fn piece(&mut self, family: &'static of::Family, add: Add) -> prometheus::Result<String> {
        let mut series = Series::of(family);
        let begins = self.written == 0;
        for (name, app) in self.apps.iter().skip(self.written).take(APPS) {
            add(&mut series, name.as_str(), app);
        }
        self.written += APPS;
        if self.written >= self.apps.len() {
            (self.family, self.written) = (self.family + 1, 0);
        }
        if series.is_empty() {
            return Ok(String::new());
        }
        let mut text = String::with_capacity(16 * 1024);
        TextEncoder::new().encode_utf8(&[series.finish()], &mut text)?;
        // A family is described once, by `# HELP` and `# TYPE`.
        let described = text.match_indices('\n').nth(1).map_or(0, |(at, _)| at + 1);
        Ok(if begins { text } else { text.split_off(described) })
    }
}

impl Iterator for Scrape {
    type Item = prometheus::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(head) = self.head.take() {
            return Some(Ok(head));
        }
        let (family, add) = EACH.get(self.family).filter(|_| !self.apps.is_empty())?;
        Some(self.piece(family, *add))
    }
}

fn used(app: &AppView) -> impl Iterator<Item = Slot> {
    Slot::BOTH.into_iter().filter(|slot| app.is_used(*slot))
}

fn requests(to: &mut Series, name: &str, app: &AppView) {
    for slot in used(app) {
        let totals = app.totals(slot);
        for (class, count) in CLASSES.iter().zip(totals.classes).filter(|(_, count)| *count > 0) {
            to.add(&[name, slot.as_str(), class], float(count));
        }
    }
}

fn duration(to: &mut Series, name: &str, app: &AppView) {
    for slot in used(app) {
        to.add_latencies(&[name, slot.as_str()], &app.totals(slot));
    }
}

fn in_flight(to: &mut Series, name: &str, app: &AppView) {
    for slot in used(app) {
        to.add(&[name, slot.as_str()], float(app.in_flight(slot)));
    }
}

/// One series per slot and address. While a replaced release still serves beside its successor in the
/// slot, an address of both is up only if it is for both.
fn target_up(to: &mut Series, name: &str, app: &AppView) {
    let mut up = std::collections::BTreeMap::new();
    for target in &app.status.targets {
        let healthy = target.state == TargetState::Healthy;
        let all = up.entry((target.slot, target.address.as_str())).or_insert(true);
        *all = *all && healthy;
    }
    for ((slot, address), up) in up {
        to.add(&[name, slot.as_str(), address], f64::from(u8::from(up)));
    }
}

fn serving(to: &mut Series, name: &str, app: &AppView) {
    for slot in Slot::BOTH {
        let share = app.status.serving.iter().find(|serving| serving.slot == slot);
        let share = share.map_or(0, |serving| serving.share);
        to.add(&[name, slot.as_str()], f64::from(share) / 100.0);
    }
}

fn release(to: &mut Series, name: &str, app: &AppView) {
    for serving in &app.status.serving {
        let version = serving.version.as_deref().unwrap_or_default();
        to.add(&[name, serving.slot.as_str(), version, serving.token.as_str()], 1.0);
    }
}

fn flips(to: &mut Series, name: &str, app: &AppView) {
    to.add(&[name, "applied"], float(app.flips.applied));
    to.add(&[name, "refused"], float(app.flips.refused));
}
