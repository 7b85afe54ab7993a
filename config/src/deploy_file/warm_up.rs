//! `[warm_up]`: requests that a new release is sent before anybody else's.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;
use crate::health::CheckPath;
use crate::strict::Mistake;

/// Requests to one target, and at a time, at most: more is a load test, and a hook's.
const MOST_REQUESTS: u32 = 10_000;
const MOST_AT_ONCE: u32 = 100;

/// Requests that a new release is sent before anybody else's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// What each target is asked for, one after the other; at least one.
    pub paths: Vec<CheckPath>,
    /// How many requests each target gets, 1 to 10,000.
    #[serde(default = "requests")]
    pub requests: u32,
    /// How many of them at a time, 1 to 100.
    #[serde(default = "concurrency")]
    pub concurrency: u32,
    /// How long each may take, to the end of its answer.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
    /// Whether one that fails fails the deploy.
    #[serde(default)]
    pub required: bool,
}

fn requests() -> u32 {
    20
}

fn concurrency() -> u32 {
    4
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

impl WarmUp {
    /// Checks what the types alone do not.
    pub(super) fn validate(&self) -> Result<(), Mistake> {
        if self.paths.is_empty() {
            return Err(Mistake::new("`paths` is empty: name one, such as `/`"));
        }
        let ranges = [
            ("requests", self.requests, MOST_REQUESTS),
            ("concurrency", self.concurrency, MOST_AT_ONCE),
        ];
        for (key, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return Err(Mistake::new(format!("`{key}`: {value} is not within 1 to {most}")));
            }
        }
        if self.timeout.is_zero() {
            return Err(Mistake::new("`timeout`: no answer comes within no time"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict;

    fn read(text: &str) -> Result<WarmUp, String> {
        let read: WarmUp = strict::json(text).map_err(|mistake| mistake.to_string())?;
        read.validate().map_err(|mistake| mistake.to_string())?;
        Ok(read)
    }

    #[test]
    fn paths_are_all_that_has_to_be_said() {
        let read = read(r#"{"paths":["/","/products?page=2"]}"#).unwrap();
        assert_eq!((read.requests, read.concurrency, read.required), (20, 4, false));
        assert_eq!(read.timeout, Duration::from_secs(10));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (text, word) in [
            (r#"{"paths":[]}"#, "name one"),
            (r#"{"paths":["products"]}"#, "begins with `/`"),
            (r#"{"paths":["/"],"requests":0}"#, "`requests`: 0 is not within 1 to 10000"),
            (r#"{"paths":["/"],"concurrency":101}"#, "`concurrency`: 101"),
            (r#"{"paths":["/"],"timeout":"0s"}"#, "`timeout`"),
            (r#"{"path":["/"]}"#, "did you mean `paths`?"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
