//! What is seen of a new release by copies of requests.

use serde_json::json;
use shunt_config::deploy_file::Mirroring;
use shunt_config::guard::Guard;
use shunt_config::record::Compared;
use shunt_config::status::{Mirrored, Tally};
use tokio::time::Instant;

use super::bake::Broken;
use crate::ack::Ask;
use crate::app_keys::AppKeys;
use crate::expected::Expected;
use crate::fleet::Fleet;
use crate::judge::{Finding, Judge, Sample, differ};
use crate::mirror::{Asked, Copies, copies, text};
use crate::report::Report;
use crate::sight::Look;
use crate::time::show;

/// What is seen of a new release by copies of requests.
pub(super) struct Trial {
    pub(super) wanted: Mirroring,
    asked: Asked,
    expected: Expected,
    copies: Copies,
    /// What they have come to.
    pub(super) counts: Mirrored,
    judge: Judge,
    began: Instant,
    seen: Sample,
}

impl Trial {
    pub(super) fn new(
        wanted: &Mirroring,
        rules: Option<Guard>,
        asked: Asked,
        expected: Expected,
    ) -> Self {
        // Originals and copies are timed until the head of the answer, and all other requests to its
        // end: what is slow is told by the originals alone.
        let judge = Judge::beside(rules.unwrap_or_default(), &Tally::default());
        Self {
            wanted: wanted.clone(),
            copies: Copies::of(asked.mirror.clone()),
            asked,
            expected,
            counts: Mirrored::default(),
            judge,
            began: Instant::now(),
            seen: Sample::default(),
        }
    }

    /// Whether there were `requests` copies.
    pub(super) fn has(&self, requests: u64) -> bool {
        self.counts.copies.requests >= requests
    }

    /// Whether there are `enough` copies, if so many end it, and what the proxies say against the release.
    pub(super) fn look(
        &mut self,
        keys: &AppKeys,
        fleet: &Fleet,
        enough: Option<u64>,
        report: &Report,
    ) -> Result<Look<()>, Broken> {
        let other = self.asked.superseded(keys);
        if let Some(said) = other.or_else(|| self.expected.superseded(keys)) {
            return Err(Broken::Superseded(said));
        }
        self.counts = self.copies.take(fleet);
        if let Some(finding) = self.found(fleet, report) {
            return Err(Broken::Found(finding));
        }
        if enough.is_some_and(|enough| self.has(enough)) {
            return Ok(Look::Done(()));
        }
        let compared = Compared::of(self.wanted.percent, &self.counts);
        let left = self.wanted.lasts.saturating_sub(self.began.elapsed());
        let left = match left.is_zero() {
            true => format!("waiting for {}", copies(self.wanted.requests)),
            false => format!("{} to go", show(left)),
        };
        Ok(Look::Wait(String::new(), format!("{}, {left}", text(&compared))))
    }

    /// What the proxies say against the release by now.
    fn found(&mut self, fleet: &Fleet, report: &Report) -> Option<Finding> {
        let Mirrored { originals, copies, differ: other, .. } = &self.counts;
        let at = self.began.elapsed();
        let sample = Sample { at, new: copies.clone(), old: originals.clone() };
        if (&sample.new, &sample.old) != (&self.seen.new, &self.seen.old) {
            report.event("sample", json!(sample));
        }
        self.seen = sample;
        if let Some(why) = fleet.down(&self.asked.release) {
            return Some(Finding::Down(why));
        }
        if !self.wanted.judge {
            return None;
        }
        let pairs = copies.requests.min(originals.requests);
        let otherwise = self.wanted.max_differ.and_then(|max| differ(*other, pairs, max));
        otherwise.or_else(|| self.judge.look(&self.seen)).map(Finding::Worse)
    }
}
