//! Moments by a clock that goes on while the machine is suspended: a lease at the store does so, too.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

/// How often the clock is looked at: timers stand still while the machine does.
const LOOK: Duration = Duration::from_secs(1);

/// A moment of this machine, since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    /// This one.
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default()))
    }

    /// How long it is until this one; nothing once it is past.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    /// Waits until it is past.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub(super) async fn past(self) {
        while !self.left().is_zero() {
            sleep(self.left().min(LOOK)).await;
        }
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}
