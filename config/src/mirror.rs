//! Whether requests to an app are sent to its standby release as well, to see what it would answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::slot::Slot;
use crate::strict::{self, Mistake};

/// Percent of requests where nothing else is said.
const PERCENT: u8 = 10;
/// For how long where nothing else is said.
const LASTS: Duration = Duration::from_mins(10);
/// And at most.
pub const MAX_LASTS: Duration = Duration::from_hours(24);

/// The value of `apps/<app>/mirror`.
///
/// Copies are made of GET requests without a body that a release of the app gets, and only while
/// the release in `slot` is proved and gets no requests itself. Their answers are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The slot whose release gets the copies.
    pub slot: Slot,
    /// Percent of GET requests that are copied, 1 to 100; by default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// For how long from the moment a proxy sees it: clocks of machines differ, and whoever put it may
    /// be gone. By default 10 min, at most 24 h.
    #[serde(
        default,
        rename = "for",
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// The deploy that put it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
}

impl Mirror {
    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If it is not a JSON object of this form, or out of range.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        let mirror: Self = strict::object(strict::text(value)?)?;
        if mirror.percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            return Err(Mistake::new(format!(
                "`percent`: {} is not within 1 to 100",
                mirror.percent()
            )));
        }
        if mirror.lasts() > MAX_LASTS {
            let most = duration::show(MAX_LASTS);
            return Err(Mistake::new(format!("`for`: requests are copied for {most} at most")));
        }
        Ok(mirror)
    }

    /// Percent of GET requests that are copied.
    pub fn percent(&self) -> u8 {
        self.percent.unwrap_or(PERCENT)
    }

    /// For how long.
    pub fn lasts(&self) -> Duration {
        self.lasts.unwrap_or(LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_always_bounded() {
        let mirror = Mirror::parse(br#"{"slot":"green"}"#).unwrap();
        assert_eq!((mirror.slot, mirror.percent(), mirror.lasts()), (Slot::Green, PERCENT, LASTS));
        let text = r#"{"slot":"blue","percent":100,"for":"1h"}"#;
        let mirror = Mirror::parse(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&mirror).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        for (value, word) in [
            (r#"{"slot":"gren"}"#, "did you mean `green`?"),
            (r#"{"percent":5}"#, "slot"),
            (r#"{"slot":"green","percent":0}"#, "`percent`: 0 is not within 1 to 100"),
            (r#"{"slot":"green","percent":101}"#, "`percent`: 101 is not within"),
            (r#"{"slot":"green","for":"25h"}"#, "copied for 1day at most"),
            (r#"{"slot":"green","for":"0s"}"#, "out of range"),
            (r#"{"slot":"green","share":5}"#, "unknown key `share`"),
        ] {
            let said = Mirror::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
    }
}
