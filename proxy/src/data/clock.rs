//! A thread's coarse clock. Deadlines need no better than a tick, and reading a `Cell` is free.

use std::cell::Cell;
use std::time::Duration;

/// How often the clock moves and deadlines are looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A moment on a thread's coarse clock, in milliseconds since the thread started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// When the thread started.
    pub(super) const START: Self = Self(0);

    /// Later than any moment.
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// The time since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A thread's coarse clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Cell<u64>,
}

impl Clock {
    /// Moves the clock to `elapsed` since the thread started.
    pub(super) fn set(&self, elapsed: Duration) {
        self.now.set(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1));
    }

    /// The present moment, up to a tick late.
    pub(super) fn now(&self) -> Moment {
        Moment(self.now.get())
    }

    /// `wait` from now, and never less: the tick by which the clock may be late is added.
    pub(super) fn after(&self, wait: Duration) -> Moment {
        let wait = u64::try_from((wait + TICK).as_millis()).unwrap_or(u64::MAX / 2);
        Moment(self.now.get().saturating_add(wait))
    }
}
