//! Times of lines, formatted once a second.

use jiff::Timestamp;
use jiff::fmt::strtime;

/// A time to the second in some format, in UTC.
#[derive(Debug)]
pub(super) struct Stamp {
    format: &'static str,
    second: i64,
    text: String,
}

impl Stamp {
    pub(super) fn new(format: &'static str) -> Self {
        Self { format, second: i64::MIN, text: String::new() }
    }

    /// The second that `time` is in.
    pub(super) fn second(&mut self, time: Timestamp) -> &str {
        // Times before 1970 do not come.
        if time.as_second() != self.second {
            self.second = time.as_second();
            self.text = strtime::format(self.format, time).unwrap_or_default();
        }
        &self.text
    }
}
