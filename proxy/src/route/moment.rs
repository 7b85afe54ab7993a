//! A clock that all threads share, for what they note down for each other.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds since this process first asked; never 0, which stands for "not at all".
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed()) + 1
}

/// `duration` in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}
