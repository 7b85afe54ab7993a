//! Times, as people read them.
//!
//! Most of them were written by another machine, whose clock may be ahead of this one or behind it.
//! So no distance is ever negative: what is said to have happened in the future has just happened,
//! and is waited for in full.

use std::time::Duration;

use jiff::Timestamp;

/// A duration to read: `12 ms`, `3.4 s`, `2m 5s`.
pub fn show(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        secs => humantime::format_duration(Duration::from_secs(secs)).to_string(),
    }
}

/// How long ago `then` was; zero if it is yet to come.
pub fn age(then: Timestamp) -> Duration {
    between(then, Timestamp::now())
}

/// How long it is until `then`; zero if it is over.
pub fn remaining(then: Timestamp) -> Duration {
    between(Timestamp::now(), then)
}

/// From `began` to `ended`; zero if the clock was set back in between.
pub fn between(began: Timestamp, ended: Timestamp) -> Duration {
    Duration::try_from(ended.duration_since(began)).unwrap_or_default()
}

/// `then` and `more`; the far end of time where that is beyond it.
pub fn later(then: Timestamp, more: Duration) -> Timestamp {
    let more = jiff::SignedDuration::try_from(more).unwrap_or(jiff::SignedDuration::MAX);
    then.checked_add(more).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_ahead_or_behind_makes_no_distance_negative_and_none_too_long() {
        let hour = Duration::from_hours(1);
        let ahead = later(Timestamp::now(), hour);
        assert_eq!(age(ahead), Duration::ZERO);
        assert!(remaining(ahead) <= hour);
        let behind = Timestamp::UNIX_EPOCH;
        assert_eq!(remaining(behind), Duration::ZERO);
        assert!(age(behind) > hour);
        assert_eq!(between(ahead, behind), Duration::ZERO);
    }

    #[test]
    fn the_ends_of_time_are_no_reason_to_panic() {
        let whole = between(Timestamp::MIN, Timestamp::MAX);
        assert_eq!(between(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
        assert_eq!(later(Timestamp::MIN, whole), Timestamp::MAX);
        assert_eq!(later(Timestamp::MAX, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn durations_read_well_from_milliseconds_to_days() {
        let shown = [12, 3_400, 125_000].map(|ms| show(Duration::from_millis(ms)));
        assert_eq!(shown, ["12 ms", "3.4 s", "2m 5s"]);
    }
}
