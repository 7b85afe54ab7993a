//! How long to wait before something is done again: longer each time that it was of no use.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long to wait before something is done again.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    bounds: RangeInclusive<Duration>,
    next: Duration,
}

impl Pace {
    /// Waits of `bounds`, the shortest one first.
    pub(super) fn new(bounds: RangeInclusive<Duration>) -> Self {
        Self { next: *bounds.start(), bounds }
    }

    /// Whether nothing was of no use since it last was of some.
    pub(super) fn is_fresh(&self) -> bool {
        self.next == *self.bounds.start()
    }

    /// It was of use: the wait until the next time.
    pub(super) fn done(&mut self) -> Duration {
        self.next = *self.bounds.start();
        self.next
    }

    /// It was of no use: the wait until the next time, twice as long as the last one.
    pub(super) fn failed(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(*self.bounds.end());
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_until_it_was_of_use() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new(seconds(2)..=seconds(10));
        assert!(pace.is_fresh());
        assert_eq!([(); 4].map(|()| pace.failed().as_secs()), [2, 4, 8, 10]);
        assert!(!pace.is_fresh());
        assert_eq!((pace.done(), pace.is_fresh()), (seconds(2), true));
        assert_eq!(pace.failed(), seconds(2));
    }
}
