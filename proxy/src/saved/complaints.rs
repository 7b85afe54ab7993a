//! What is said of writes that fail: at once, and then seldom. A disk that is full fails every write
//! of every app, every few seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the same is said.
const AGAIN: Duration = Duration::from_mins(1);
/// How many are named.
const NAMED: usize = 3;

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What was to be written, and where: `app web (/var/lib/shunt/apps/web.json)`.
    pub(super) what: String,
    /// Why it was not.
    pub(super) why: String,
}

/// What was said of writes that fail, and when.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// By the reason.
    open: BTreeMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    said: Instant,
    /// Failures since then.
    unsaid: u64,
    all: u64,
}

impl Complaints {
    /// Takes note of what failed in a round of writes; returns what is to be said of it.
    pub(super) fn note(&mut self, failed: &[Failure], now: Instant) -> Vec<String> {
        let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
        for Failure { what, why } in failed {
            reasons.entry(why).or_default().push(what);
        }
        let mut said = Vec::new();
        for (why, whats) in reasons {
            let failures = whats.len() as u64;
            if let Some(open) = self.open.get_mut(why) {
                open.unsaid += failures;
                open.all += failures;
                if now.duration_since(open.said) < AGAIN {
                    continue;
                }
            }
            let fresh = || Open { said: now, unsaid: 0, all: failures };
            let open = self.open.entry(why.to_owned()).or_insert_with(fresh);
            let named = whats.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = match whats.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let again = match open.unsaid {
                0 => String::new(),
                _ => format!(", {} times so far", open.all),
            };
            said.push(format!("snapshot not written: {named}{more}: {why}{again}"));
            (open.said, open.unsaid) = (now, 0);
        }
        said
    }

    /// Takes note that all is written; returns what is to be said of it.
    pub(super) fn over(&mut self) -> Option<String> {
        let failures: u64 = self.open.values().map(|open| open.all).sum();
        self.open.clear();
        (failures > 0).then(|| format!("snapshot written again, after {failures} failures"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(apps: &[&str], why: &str) -> Vec<Failure> {
        let failure = |app: &&str| Failure { what: format!("app {app}"), why: why.to_owned() };
        apps.iter().map(failure).collect()
    }

    #[test]
    fn the_same_failure_is_said_at_once_and_then_once_a_minute_with_its_count() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let full = failures(&["web"], "disk full");
        let after = |seconds| start + Duration::from_secs(seconds);
        let first = complaints.note(&full, start);
        assert_eq!(first, ["snapshot not written: app web: disk full"]);
        assert!(complaints.note(&full, after(5)).is_empty());
        assert!(complaints.note(&full, after(59)).is_empty());
        let again = complaints.note(&full, after(60));
        assert_eq!(again, ["snapshot not written: app web: disk full, 4 times so far"]);
        assert!(complaints.note(&full, after(119)).is_empty());
        // Another reason is news.
        let other = complaints.note(&failures(&["api"], "no such directory"), after(119));
        assert_eq!(other, ["snapshot not written: app api: no such directory"]);
    }

    #[test]
    fn many_apps_are_one_line() {
        let full = failures(&["a", "b", "c", "d", "e"], "disk full");
        let said = Complaints::default().note(&full, Instant::now());
        assert_eq!(said, ["snapshot not written: app a, app b, app c and 2 more: disk full"]);
    }

    #[test]
    fn that_it_is_fine_again_is_said_once_and_only_after_failures() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.over(), None);
        let now = Instant::now();
        complaints.note(&failures(&["web"], "disk full"), now);
        complaints.note(&failures(&["web"], "disk full"), now);
        assert_eq!(complaints.over().unwrap(), "snapshot written again, after 2 failures");
        assert_eq!(complaints.over(), None);
        assert_eq!(complaints.note(&failures(&["web"], "disk full"), now).len(), 1);
    }
}
