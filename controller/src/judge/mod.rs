//! Whether a release is worse than the one it replaces, beyond doubt.
//!
//! Pure: it is given counts and says what it thinks of them, so that the same counts lead to the same
//! verdict at any later time.
//!
//! Each figure is a share of requests (that failed, that found no connection, that were slow), so
//! each comparison is one of two shares: the lowest that the new release's counts speak for against
//! the highest that the old one's do (`interval`). Every interval gets an equal part of the
//! `FALSE_ALARMS` that one deploy may give.
//!
//! *Slow* is what takes longer than a percentile of the old release (`PERCENTILES`) times
//! [`Guard::slower`]. Where the old one's counts go on meanwhile, these bounds were chosen
//! before; and because they are chosen by counts that may be counted again, the old release's
//! interval has to hold for every bucket there is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shunt_config::duration;
use shunt_config::guard::{Guard, Percent};
use shunt_config::latency::{BUCKETS, bound};
use shunt_config::status::Tally;

mod book;
mod finding;
mod interval;
mod watch;

pub use book::Book;
pub(crate) use finding::millis;
use finding::percent;
pub use finding::{Figure, Finding, Worse};
pub use watch::Watch;

/// The probability that a release which is as good as the old one is taken for worse in one deploy.
const FALSE_ALARMS: f64 = 1e-3;

/// A deploy is judged three times: by copies of requests, while old and new answer side by side, and
/// after the flip. Each may give a third of them, in a deploy that leaves one out as well.
const TIMES: f64 = 3.0;

/// Requests of the old release before anything is called slow.
const ENOUGH: u64 = 100;

/// The percentiles that are compared.
const PERCENTILES: [u8; 3] = [50, 75, 95];

/// How many intervals there are: two for errors, connections and each percentile, and one for each of
/// the bounds that need no old release.
const INTERVALS: usize = 2 * (2 + PERCENTILES.len()) + 2;

/// What either release has counted since the judge began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, after the beginning.
    #[serde(with = "duration")]
    pub at: Duration,
    /// The new release.
    pub new: Tally,
    /// The old one.
    pub old: Tally,
}

/// How much worse a release may be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Margin {
    errors: f64,
    slower: f64,
    /// How much larger the share of slow requests may be.
    slow: f64,
}

/// Compares a new release with the old one.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Guard,
    margin: Margin,
    /// Where what is slow begins, as buckets of the old release and of the new one.
    slow: Option<[(usize, usize); PERCENTILES.len()]>,
    /// What the new release had counted when its caches were warm.
    cold: Option<Tally>,
}

impl Judge {
    /// Compares with what the old release answers at the same time. What it answered `before` says
    /// what is slow.
    pub fn beside(rules: Guard, before: &Tally) -> Self {
        let margin = Margin { errors: rules.errors.share(), slower: rules.slower, slow: 0.05 };
        Self::new(rules, margin, before)
    }

    /// Compares with what the old release answered before, by a wider margin: the times may have
    /// changed.
    pub fn after(rules: Guard, before: &Tally) -> Self {
        let (errors, slower) = (2.0 * rules.errors.share(), rules.slower * 4.0 / 3.0);
        Self::new(rules, Margin { errors, slower, slow: 0.1 }, before)
    }

    fn new(rules: Guard, margin: Margin, before: &Tally) -> Self {
        let mut judge = Self { rules, margin, slow: None, cold: None };
        judge.choose(before);
        judge
    }

    /// What is worse by now, beyond doubt.
    pub fn look(&mut self, sample: &Sample) -> Option<Worse> {
        self.errors(sample).or_else(|| self.slow(sample))
    }

    /// What share of either release's requests failed, and what share is allowed: the fewer requests the
    /// old release had, the more it could be by chance alone.
    pub fn errors_shown(&self, Sample { new, old, .. }: &Sample) -> String {
        let allowed = interval::upper(old.errors, old.requests, level()) + self.margin.errors;
        format!(
            "{} requests, {} errors, against {} of {} of the old release ({:.1} % are allowed)",
            new.requests,
            percent((new.errors, new.requests)),
            percent((old.errors, old.requests)),
            old.requests,
            allowed.min(self.rules.max_errors.share()) * 100.0,
        )
    }

    fn errors(&self, Sample { new, old, .. }: &Sample) -> Option<Worse> {
        let of = |figure, count: fn(&Tally) -> u64| {
            let (new, old) = ((count(new), new.requests), (count(old), old.requests));
            worse(figure, new, old, self.margin.errors, 1.0)
        };
        let (share, max) = ((new.errors, new.requests), self.rules.max_errors.share());
        let bad = interval::lower(share.0, share.1, level()) > max;
        bad.then_some(Worse { figure: Figure::Errors, new: share, old: None, allowed: max })
            .or_else(|| of(Figure::Errors, |tally| tally.errors))
            .or_else(|| of(Figure::Connects, |tally| tally.connects))
    }

    fn slow(&mut self, sample: &Sample) -> Option<Worse> {
        if sample.at < self.rules.settle {
            return None;
        }
        let cold = self.cold.get_or_insert_with(|| sample.new.clone());
        let new = sample.new.since(cold);
        if self.slow.is_none() {
            self.choose(&sample.old);
        }
        self.slow?.into_iter().find_map(|(old_from, new_from)| {
            let from = new_from.checked_sub(1).and_then(bound)?;
            let new = (new.slow(new_from), new.requests);
            let old = (sample.old.slow(old_from), sample.old.requests);
            worse(Figure::Slow(from), new, old, self.margin.slow, float(BUCKETS))
        })
    }

    /// Says what is slow, if `old` has counted enough for it.
    fn choose(&mut self, old: &Tally) {
        if old.requests < ENOUGH {
            return;
        }
        self.slow = Some(PERCENTILES.map(|percentile| {
            let old_from = beyond(old, percentile);
            let edge = old_from.checked_sub(1).and_then(bound).unwrap_or_default();
            let slow = edge.mul_f64(self.margin.slower).max(edge + self.rules.slower_by);
            // The first bucket that begins at `slow` or later; none does beyond the last bound.
            let begins = |index: &usize| index.checked_sub(1).and_then(bound) >= Some(slow);
            (old_from, (0..BUCKETS).find(begins).unwrap_or(BUCKETS))
        }));
    }
}

/// Whether more than `max` of the copies of requests were answered otherwise than their originals, by
/// which `differ` of `all` were.
pub fn differ(differ: u64, all: u64, max: Percent) -> Option<Worse> {
    let (figure, max) = (Figure::Differ, max.share());
    let bad = interval::lower(differ, all, level()) > max;
    bad.then_some(Worse { figure, new: (differ, all), old: None, allowed: max })
}

/// Whether `new`'s share is larger than `old`'s by more than `margin`, where `old` was looked at in one
/// of `ways`.
fn worse(
    figure: Figure,
    new: (u64, u64),
    old: (u64, u64),
    margin: f64,
    ways: f64,
) -> Option<Worse> {
    let allowed = interval::upper(old.0, old.1, level() / ways) + margin;
    let worse = interval::lower(new.0, new.1, level()) > allowed;
    worse.then_some(Worse { figure, new, old: Some(old), allowed })
}

/// The first bucket above the one in which `percentile` of a hundred requests are over.
fn beyond(tally: &Tally, percentile: u8) -> usize {
    let mut seen = 0;
    let all: u64 = tally.latency.values().sum();
    let within = |(_, n): &(&usize, &u64)| {
        seen += **n;
        seen * 100 >= all * u64::from(percentile)
    };
    tally.latency.iter().find(within).map_or(0, |(index, _)| index + 1)
}

/// The level of one interval.
fn level() -> f64 {
    FALSE_ALARMS / TIMES / float(INTERVALS)
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen are counted")]
fn float(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
