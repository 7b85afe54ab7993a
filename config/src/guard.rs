//! What the guard of a deploy lets pass: `[guard]` in `shunt.toml`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::strict::Mistake;

/// The highest factor that `slower` takes.
const MAX_SLOWER: f64 = 100.0;

/// What the guard of a deploy lets pass. It watches the new release during a canary's steps and the
/// bake, and by copies of requests before them, compares it with the old one, and has the deploy undone when one figure is worse by more
/// than this, beyond doubt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// How much larger the new release's share of errors (5xx) and of failed connections may be,
    /// in percent of its requests; twice as much after the flip, when the old release no longer
    /// answers at the same time.
    pub errors: Percent,
    /// The share of errors above which it is undone whatever the old release did.
    pub max_errors: Percent,
    /// How many times slower it may be, 1.1 to 100; a third more after the flip.
    pub slower: f64,
    /// What no one notices: it is slow only where it is so much slower, too.
    #[serde(with = "duration")]
    pub slower_by: Duration,
    /// For how long after its first request its latency is not judged: caches are cold.
    #[serde(with = "duration")]
    pub settle: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            errors: Percent(0.5),
            max_errors: Percent(50.0),
            slower: 1.5,
            slower_by: Duration::from_millis(10),
            settle: Duration::from_secs(3),
        }
    }
}

impl Guard {
    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if !(1.1..=MAX_SLOWER).contains(&self.slower) {
            let said = format!("`slower`: {} is not within 1.1 to {MAX_SLOWER}", self.slower);
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}

/// A share of requests, written `0.5%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// As a share of 1.
    pub fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Percent {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let number = text.trim().strip_suffix('%').and_then(|digits| digits.trim().parse().ok());
        match number {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err(Mistake::new(format!("`{text}` is no share: write `0.5%`, from 0% to 100%"))),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

by_text!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default_and_all_of_it_reads_back() {
        let guard: Guard = serde_json::from_str(r#"{"errors":"2.5%","settle":"1s"}"#).unwrap();
        assert_eq!((guard.errors.share(), guard.slower), (0.025, 1.5));
        let written = serde_json::to_string(&guard).unwrap();
        assert_eq!(serde_json::from_str::<Guard>(&written).unwrap(), guard);
    }

    #[test]
    fn what_is_no_share_or_out_of_range_is_refused_with_a_reason() {
        for text in ["1", "-1%", "101%", "%", "NaN%", "1 percent"] {
            let said = text.parse::<Percent>().unwrap_err().to_string();
            assert!(said.contains("write `0.5%`"), "{text}: {said}");
        }
        for slower in [0.0, 1.0, 101.0, f64::NAN] {
            let said = Guard { slower, ..Guard::default() }.validate().unwrap_err().to_string();
            assert!(said.contains("1.1 to 100"), "{said}");
        }
        Guard::default().validate().unwrap();
    }
}
