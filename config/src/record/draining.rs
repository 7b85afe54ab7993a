//! Releases that were replaced and are not gone yet.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Finish;
use crate::name::ProxyName;
use crate::release::Release;
use crate::slot::Slot;
use crate::strict::{self, Mistake};

/// The value of `apps/<app>/draining/<token>`: a release that is in no slot any more and still has
/// leases or containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draining {
    /// The slot it was in.
    pub slot: Slot,
    /// The slot's value, as it was written.
    pub value: String,
    /// When it left the slot.
    pub since: Timestamp,
    /// Until when its visitors may stay on it; `None` where nobody does, or does any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Timestamp>,
    /// When the last of them left, or had to; the time for what requests are left begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Known proxies without a sign of life, and since when they are missed: each keeps this
    /// release from being stopped until it is back, forgotten, or missed for long enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<ProxyName, Timestamp>,
    /// What is to be run once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
}

impl Draining {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }

    /// Since when no new request goes to it, as far as the keys say.
    pub fn left_since(&self) -> Timestamp {
        self.ended.unwrap_or(self.since)
    }

    /// The release, if its value can be read.
    pub fn release(&self) -> Option<Release> {
        Release::parse(self.value.as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_word_of_sessions_is_one_that_nobody_stays_on() {
        let text = br#"{"slot":"blue","value":"a:1","since":"2026-01-01T00:00:00Z"}"#;
        let draining = Draining::parse(text).unwrap();
        assert_eq!((draining.sessions, draining.left_since()), (None, draining.since));
        let written = serde_json::to_string(&draining).unwrap();
        assert!(!written.contains("sessions") && !written.contains("ended"), "{written}");
        let kept = Draining { sessions: Some(draining.since), ..draining };
        assert_eq!(Draining::parse(&serde_json::to_vec(&kept).unwrap()).unwrap(), kept);
    }
}
