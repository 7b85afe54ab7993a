//! Times, as people read them.

use std::time::Duration;

/// A duration to read: `12 ms`, `3.4 s`, `2m 5s`.
pub fn show(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        secs => humantime::format_duration(Duration::from_secs(secs)).to_string(),
    }
}

/// How long ago `then` was, or how long until it comes.
pub fn distance(then: jiff::Timestamp) -> Duration {
    then.duration_since(jiff::Timestamp::now()).unsigned_abs()
}
