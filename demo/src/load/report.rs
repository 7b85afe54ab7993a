//! How a run went.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::Work;
use super::record::{Answer, Failure, Outcomes};

/// Failures that are shown one by one; the others are counted.
const SHOWN: usize = 10;

/// How a run went: every request is either among the answers or among the failures.
#[derive(Debug)]
pub struct Report {
    answers: Vec<Answer>,
    failures: Vec<Failure>,
    took: Duration,
}

impl Report {
    pub(super) fn new(outcomes: Outcomes, took: Duration) -> Self {
        Self { answers: outcomes.answers, failures: outcomes.failures, took }
    }

    /// Requests sent.
    pub fn sent(&self) -> u64 {
        (self.answers.len() + self.failures.len()) as u64
    }

    /// Requests that were not answered as they should be.
    pub fn failed(&self) -> u64 {
        self.failures.len() as u64
    }

    /// The answered requests, in the order in which their answers ended.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// The failed requests.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How long it ran.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Answers per release.
    pub fn by_release(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for answer in &self.answers {
            *counts.entry(&*answer.release).or_default() += 1;
        }
        counts
    }

    /// The time to the whole answer within which `share` of a thousand were; zero if there are
    /// no answers.
    pub fn permille(&self, share: usize) -> Duration {
        let mut times: Vec<_> = self.answers.iter().map(Answer::time).collect();
        times.sort_unstable();
        let place = (times.len() * share).div_ceil(1000);
        times.get(place.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The longest time to a whole answer.
    pub fn slowest(&self) -> Duration {
        self.answers.iter().map(Answer::time).max().unwrap_or_default()
    }

    /// How long after `moment` the last answer by `release` came to a request for a page; of those
    /// that were sent after `moment` and answered before `until`. `None` if there was none.
    ///
    /// With `moment` the return of a flip and `until` the start of the next, which leads back to
    /// `release`, it is how late the flip was: a page has no body that would add its own time.
    pub fn last_answer_by(
        &self,
        release: &str,
        moment: Instant,
        until: Instant,
    ) -> Option<Duration> {
        let between = self.between(release, moment, until);
        between.filter(|a| a.work == Work::Page).map(|a| a.answered - moment).max()
    }

    /// Whether `release` answered any request that was sent after `moment`, before `until`.
    pub fn answered_between(&self, release: &str, moment: Instant, until: Instant) -> bool {
        self.between(release, moment, until).next().is_some()
    }

    fn between(
        &self,
        release: &str,
        moment: Instant,
        until: Instant,
    ) -> impl Iterator<Item = &Answer> {
        let within = move |a: &&Answer| a.sent > moment && a.answered < until;
        self.answers.iter().filter(move |a| &*a.release == release).filter(within)
    }
}

impl Answer {
    /// From before the request's first byte to after the answer's last.
    pub fn time(&self) -> Duration {
        self.ended - self.sent
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.permille(500), self.permille(990));
        writeln!(f, "{} sent in {:.1?}, {} failed", self.sent(), self.took, self.failed())?;
        writeln!(f, "median {p50:.1?}, 99% {p99:.1?}, slowest {:.1?}", self.slowest())?;
        for (release, count) in self.by_release() {
            writeln!(f, "release {release}: {count}")?;
        }
        for failure in self.failures.iter().take(SHOWN) {
            writeln!(f, "failed: {failure}")?;
        }
        if self.failures.len() > SHOWN {
            writeln!(f, "failed: {} more", self.failures.len() - SHOWN)?;
        }
        Ok(())
    }
}
