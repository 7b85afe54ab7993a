//! Times of lines, formatted once a second.

use std::time::{Duration, Instant};

use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};

/// A time to the second in some format, in UTC.
#[derive(Debug)]
pub(super) struct Stamp {
    format: &'static str,
    /// When the second began that `text` tells, if there is one.
    began: Option<Instant>,
    text: String,
}

impl Stamp {
    pub(super) fn new(format: &'static str) -> Self {
        Self { format, began: None, text: String::new() }
    }

    /// The second that `moment` is in, and how much of it had passed by then.
    ///
    /// Lines are stamped with the one clock and dated with the other, which somebody may set: both are
    /// read for every new second.
    pub(super) fn second(&mut self, moment: Instant) -> (&str, Duration) {
        let since = self.began.and_then(|began| moment.checked_duration_since(began));
        let since = since.filter(|since| since.as_secs() == 0);
        let since = since.unwrap_or_else(|| self.begin(moment));
        (&self.text, since)
    }

    #[cold]
    fn begin(&mut self, moment: Instant) -> Duration {
        let (instant, now) = (Instant::now(), Timestamp::now());
        let ago = SignedDuration::try_from(instant.saturating_duration_since(moment));
        let time = ago.ok().and_then(|ago| now.checked_sub(ago).ok()).unwrap_or(now);
        // Times before 1970 do not come.
        let since = Duration::from_nanos(time.subsec_nanosecond().try_into().unwrap_or_default());
        self.text = strtime::format(self.format, time).unwrap_or_default();
        self.began = moment.checked_sub(since);
        since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_the_one_that_the_moment_is_in_whatever_came_before_it() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut kept = Stamp::new("%s");
        let now = Instant::now();
        let tell = |stamp: &mut Stamp, ago| {
            let (second, since) =
                stamp.second(now.checked_sub(Duration::from_millis(ago)).unwrap());
            let second = second.parse().unwrap();
            assert!(since.as_secs() == 0);
            Duration::from_secs(second) + since
        };
        let first = tell(&mut kept, 0);
        for _ in 0..1000 {
            let ago = rng.u64(0..5000);
            let expected = first.saturating_sub(Duration::from_millis(ago));
            let told = tell(&mut kept, ago);
            // The two clocks are read one after the other, and a second may lie in between.
            assert!(told.abs_diff(expected) < Duration::from_secs(1), "{told:?}, not {expected:?}");
        }
    }
}
