//! How a target has treated the requests of all data threads, and whether it is left out for it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use shunt_config::eject::Eject;

use super::moment;

/// The time out is doubled at most this often: 32 times as long as the first.
const MOST_DOUBLINGS: u32 = 5;

/// Failures of one target, and the time out they have earned it.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// In a row.
    failures: AtomicU32,
    /// Times out in a row, with nothing but failures between them.
    in_a_row: AtomicU32,
    /// Until when it is left out, in milliseconds of [`moment::now`]; 0: it was not, lately.
    until: AtomicU64,
    /// Times out in all.
    times: AtomicU64,
}

impl Conduct {
    /// Whether it is left out at this moment. Asked for every target of every request, and free for
    /// one that never was.
    pub(super) fn is_out(&self) -> bool {
        let until = self.until.load(Relaxed);
        until != 0 && moment::now() < until
    }

    /// When it was let in again last; 0 if it never was out.
    pub(super) fn back_since(&self) -> u64 {
        self.until.load(Relaxed)
    }

    /// How often it was left out.
    pub(super) fn times(&self) -> u64 {
        self.times.load(Relaxed)
    }

    /// It answered.
    pub(super) fn succeeded(&self) {
        // Only read, as a rule: threads share this.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.in_a_row.load(Relaxed) != 0 && !self.is_out() {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// It failed; whether it has done so often enough to be left out. After a time out the first
    /// failure is enough: nothing has shown since that it is well.
    pub(super) fn failed(&self, rules: &Eject) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        rules.failures > 0 && failures >= rules.failures && !self.is_out()
    }

    /// Leaves it out from `now` on; returns for how many milliseconds.
    pub(super) fn leave_out(&self, rules: &Eject, now: u64) -> u64 {
        let before = self.in_a_row.fetch_add(1, Relaxed).min(MOST_DOUBLINGS);
        let lasts = moment::millis(rules.lasts) << before;
        self.until.store(now + lasts, Relaxed);
        self.times.fetch_add(1, Relaxed);
        lasts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULES: Eject = Eject { failures: 3, lasts: Duration::from_secs(10) };

    #[test]
    fn only_failures_in_a_row_count() {
        let conduct = Conduct::default();
        assert!(!conduct.failed(&RULES) && !conduct.failed(&RULES));
        conduct.succeeded();
        assert!(!conduct.failed(&RULES) && !conduct.failed(&RULES));
        assert!(conduct.failed(&RULES));
        assert!(!conduct.is_out(), "who is left out is decided by who sees all targets");
        let never = Eject { failures: 0, ..RULES };
        assert!((0..100).all(|_| !conduct.failed(&never)));
    }

    #[test]
    fn each_time_out_in_a_row_is_twice_as_long_up_to_32_times() {
        let conduct = Conduct::default();
        let now = 0;
        let lasts: Vec<_> = (0..8).map(|_| conduct.leave_out(&RULES, now) / 10_000).collect();
        assert_eq!(lasts, [1, 2, 4, 8, 16, 32, 32, 32]);
        // It is out until then, and what still comes back well from before is no proof of health.
        conduct.leave_out(&RULES, moment::now());
        assert!(conduct.is_out());
        conduct.succeeded();
        assert_eq!(conduct.leave_out(&RULES, moment::now()), 320_000);
        assert_eq!(conduct.times(), 10);
    }

    #[test]
    fn a_target_that_is_back_is_out_again_at_its_first_failure_and_well_after_a_success() {
        let conduct = Conduct::default();
        assert_eq!((0..3).filter(|_| conduct.failed(&RULES)).count(), 1);
        conduct.leave_out(&RULES, 0);
        conduct.until.store(1, Relaxed);
        assert!(!conduct.is_out(), "its time is over");
        assert!(conduct.failed(&RULES));
        conduct.succeeded();
        assert!(!conduct.failed(&RULES));
        assert_eq!(conduct.leave_out(&RULES, 0), 10_000, "it begins anew");
    }
}
