//! What became of all requests.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Taken down by all connections of one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Rc<RefCell<Outcomes>>);

#[derive(Debug, Default)]
struct Outcomes {
    times: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
    took: Duration,
}

impl Tally {
    /// Takes down what came of a request that began, or should have begun, at `since`.
    pub(crate) fn take<T>(&self, since: Instant, done: io::Result<T>) -> Option<T> {
        let mut outcomes = self.0.borrow_mut();
        match done {
            Ok(done) => {
                outcomes.times.push(since.elapsed());
                Some(done)
            }
            Err(error) => {
                outcomes.errors += 1;
                outcomes.first_error.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }

    /// Requests that are over.
    pub(crate) fn over(&self) -> u64 {
        let outcomes = self.0.borrow();
        outcomes.times.len() as u64 + outcomes.errors
    }

    /// Takes down how long it all took, and requests that were never answered.
    pub(crate) fn end(&self, took: Duration, unanswered: u64) {
        let mut outcomes = self.0.borrow_mut();
        outcomes.took = took;
        outcomes.errors += unanswered;
        if unanswered > 0 {
            outcomes.first_error.get_or_insert_with(|| "no answer".to_owned());
        }
        outcomes.times.sort_unstable();
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes = self.0.borrow();
        let times = &outcomes.times;
        let at = |share: usize| {
            let place = (times.len() * share).div_ceil(1000).max(1);
            times.get(place - 1).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        let line = serde_json::json!({
            "requests": times.len(),
            "errors": outcomes.errors,
            "first_error": outcomes.first_error,
            "seconds": outcomes.took.as_secs_f64(),
            "p50_ms": at(500),
            "p99_ms": at(990),
            "p99.9_ms": at(999),
            "worst_ms": at(1000),
        });
        line.fmt(f)
    }
}
