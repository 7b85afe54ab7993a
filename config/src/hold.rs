//! Whether new requests wait, or are told that the app is down for maintenance.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cidr::Cidrs;
use crate::duration;
use crate::strict::{self, Mistake};

/// For how long requests wait where nothing else is said.
const LASTS: Duration = Duration::from_secs(30);
/// And at most, whatever is written: each keeps its client waiting.
pub const MAX_LASTS: Duration = Duration::from_hours(1);
/// Requests that wait where nothing else is said, and at most.
const LENGTH: u32 = 10_000;
const MAX_LENGTH: u32 = 100_000;
/// Requests let go in a second where nothing else is said, and at most.
const PACE: u32 = 500;
const MAX_PACE: u32 = 100_000;
/// Characters of a message at most.
const MAX_MESSAGE: usize = 1000;

/// The value of `apps/<app>/hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What happens to new requests.
    pub mode: Mode,
    /// For how long from the moment a proxy sees it: clocks of machines differ. By default 30 s for
    /// a hold, at most 1 h, and without an end for maintenance.
    #[serde(
        default,
        rename = "for",
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// What happens when that time is over; by default requests go through. Of a hold alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// Shown to whoever is refused, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Clients that maintenance does not concern.
    #[serde(default, skip_serializing_if = "Cidrs::is_empty")]
    pub allow: Cidrs,
    /// Requests that each proxy lets go in a second when a hold is over, 1 to 100,000; by default 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<u32>,
    /// Requests that may wait in each proxy, 1 to 100,000; by default 10,000. Those beyond are
    /// answered at once with 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// The deploy that holds the app, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
}

/// What happens to new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They wait in the proxy, bounded in time and number.
    Hold,
    /// They are answered with 503 and the message.
    Maintenance,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hold => "hold",
            Self::Maintenance => "maintenance",
        })
    }
}

/// What happens when the time of a hold is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Requests go through, those that wait as well.
    #[default]
    Release,
    /// All are answered with 503, until the key is gone or put again.
    Refuse,
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Release => "release",
            Self::Refuse => "refuse",
        })
    }
}

impl Hold {
    /// One of `mode`, with nothing else said.
    pub fn new(mode: Mode) -> Self {
        let (lasts, then, message, pace, length, deploy) = Default::default();
        Self { mode, lasts, then, message, allow: Cidrs::default(), pace, length, deploy }
    }

    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        let hold: Self = strict::object(strict::text(value)?)?;
        hold.validate()?;
        Ok(hold)
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        let within = |key: &str, value: Option<u32>, most: u32| match value {
            Some(n) if n == 0 || n > most => {
                Err(Mistake::new(format!("`{key}`: {n} is not within 1 to {most}")))
            }
            _ => Ok(()),
        };
        within("pace", self.pace, MAX_PACE)?;
        within("length", self.length, MAX_LENGTH)?;
        if self.message.as_ref().is_some_and(|text| text.chars().count() > MAX_MESSAGE) {
            return Err(Mistake::new(format!("`message`: more than {MAX_MESSAGE} characters")));
        }
        match self.mode {
            Mode::Hold if !self.allow.is_empty() => {
                Err(Mistake::new("`allow` is for maintenance: a hold lets nobody through"))
            }
            Mode::Hold if self.lasts.is_some_and(|lasts| lasts > MAX_LASTS) => {
                let most = duration::show(MAX_LASTS);
                Err(Mistake::new(format!("`for`: requests wait for {most} at most")))
            }
            Mode::Maintenance if self.then == Some(Then::Refuse) => Err(Mistake::new(
                "`then`: maintenance refuses already; leave `for` away to go on with it",
            )),
            Mode::Maintenance if self.pace.is_some() || self.length.is_some() => Err(Mistake::new(
                "`pace` and `length` are for a hold: nobody waits for maintenance",
            )),
            _ => Ok(()),
        }
    }

    /// For how long it stops requests; `None` for maintenance without an end.
    pub fn lasts(&self) -> Option<Duration> {
        match self.mode {
            Mode::Hold => Some(self.lasts.unwrap_or(LASTS)),
            Mode::Maintenance => self.lasts,
        }
    }

    /// What happens when that time is over.
    pub fn then(&self) -> Then {
        self.then.unwrap_or_default()
    }

    /// Requests let go in a second when it is over.
    pub fn pace(&self) -> u32 {
        self.pace.unwrap_or(PACE)
    }

    /// Requests that may wait.
    pub fn length(&self) -> u32 {
        self.length.unwrap_or(LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_always_bounded_and_maintenance_is_not() {
        let hold = Hold::parse(br#"{"mode":"hold"}"#).unwrap();
        assert_eq!(
            (hold.lasts(), hold.then(), hold.length()),
            (Some(LASTS), Then::Release, LENGTH)
        );
        assert_eq!(serde_json::to_string(&hold).unwrap(), r#"{"mode":"hold"}"#);
        let text = r#"{"mode":"maintenance","message":"back soon","allow":["10.0.0.0/8"]}"#;
        let maintenance = Hold::parse(text.as_bytes()).unwrap();
        assert_eq!(maintenance.lasts(), None);
        assert_eq!(serde_json::to_string(&maintenance).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        for (value, word) in [
            (r#"{"mode":"holt"}"#, "did you mean `hold`?"),
            (r#"{"mode":"hold","for":"2h"}"#, "for 1h at most"),
            (r#"{"mode":"hold","for":"0s"}"#, "out of range"),
            (r#"{"mode":"hold","pace":0}"#, "`pace`: 0 is not within 1 to"),
            (r#"{"mode":"hold","length":100001}"#, "`length`: 100001"),
            (r#"{"mode":"hold","allow":["10.0.0.0/8"]}"#, "lets nobody through"),
            (r#"{"mode":"hold","then":"stop"}"#, "stop"),
            (r#"{"mode":"hold","fore":"1s"}"#, "unknown key `fore`"),
            (r#"{"mode":"maintenance","then":"refuse"}"#, "refuses already"),
            (r#"{"mode":"maintenance","pace":5}"#, "nobody waits"),
            (r#"{"mode":"maintenance","allow":["10.0.0.1/8"]}"#, "write `10.0.0.0/8`"),
        ] {
            let said = Hold::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
        let long = format!(r#"{{"mode":"maintenance","message":"{}"}}"#, "x".repeat(1001));
        assert!(Hold::parse(long.as_bytes()).unwrap_err().to_string().contains("1000 characters"));
    }
}
