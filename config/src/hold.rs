//! Whether new requests wait, or are told that the app is down for maintenance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::strict::{self, Mistake};

/// The value of `apps/<app>/hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What happens to new requests.
    pub mode: Mode,
    /// For how long from the moment a proxy sees it: clocks of machines differ.
    #[serde(default, rename = "for", with = "duration::option")]
    pub lasts: Option<Duration>,
    /// Shown to visitors during maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
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

impl Hold {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }
}
