//! What became of every request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Work;

/// One request that was answered as it should be.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The release that answered.
    pub release: Arc<str>,
    /// What was asked for.
    pub work: Work,
    /// Before its first byte was written.
    pub sent: Instant,
    /// When the answer's head was there.
    pub answered: Instant,
    /// When the answer's last byte was there.
    pub ended: Instant,
}

/// One request that was not.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it asked for; `None` when the client itself broke.
    pub work: Option<Work>,
    /// When it was sent.
    pub sent: Instant,
    /// How many requests its connection had carried before.
    pub before: u64,
    /// What went wrong.
    pub reason: String,
}

impl Failure {
    pub(super) fn of_client(error: &tokio::task::JoinError) -> Self {
        let reason = format!("the client itself failed: {error}");
        Self { work: None, sent: Instant::now(), before: 0, reason }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(work) = self.work {
            write!(f, "{work:?}, request {} of its connection: ", self.before + 1)?;
        }
        f.write_str(&self.reason)
    }
}

/// All that became of the requests of one run.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) answers: Vec<Answer>,
    pub(super) failures: Vec<Failure>,
    by_release: BTreeMap<Arc<str>, u64>,
}

/// The outcomes, shared by the clients that write them and whoever asks how it goes.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Outcomes>);

impl Record {
    /// Takes down an answer: when its request was sent, and when its head and its end were there.
    pub(super) fn answered(&self, release: &str, work: Work, times: [Instant; 3]) {
        let mut outcomes = self.lock();
        let known = outcomes.by_release.get_key_value(release).map(|(name, _)| Arc::clone(name));
        let release = known.unwrap_or_else(|| Arc::from(release));
        *outcomes.by_release.entry(Arc::clone(&release)).or_default() += 1;
        let [sent, answered, ended] = times;
        outcomes.answers.push(Answer { release, work, sent, answered, ended });
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.lock().failures.push(failure);
    }

    pub(super) fn finished(&self) -> u64 {
        let outcomes = self.lock();
        (outcomes.answers.len() + outcomes.failures.len()) as u64
    }

    pub(super) fn failures(&self) -> u64 {
        self.lock().failures.len() as u64
    }

    pub(super) fn answered_by(&self, release: &str) -> u64 {
        self.lock().by_release.get(release).copied().unwrap_or(0)
    }

    pub(super) fn take(&self) -> Outcomes {
        std::mem::take(&mut self.lock())
    }

    /// Each change under the lock is whole, so a panic elsewhere leaves nothing half written.
    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
