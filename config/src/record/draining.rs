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

    /// The release, if its value can be read.
    pub fn release(&self) -> Option<Release> {
        Release::parse(self.value.as_bytes()).ok()
    }
}
