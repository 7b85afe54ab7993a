//! When a target that fails requests is left out without waiting for its health check.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::strict::Mistake;

/// Failures in a row at most.
const MAX_FAILURES: u32 = 1000;

/// When a target that fails requests is left out. A failure is a connection refused, reset, timed
/// out or broken off, or an answer that is no HTTP: whatever the app itself answers is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Eject {
    /// Failures in a row, at most 1000; 0: no target is ever left out for them.
    pub failures: u32,
    /// For how long the first time. Each time in a row it is doubled, up to 32 times as long.
    #[serde(rename = "for", with = "duration")]
    pub lasts: Duration,
}

impl Default for Eject {
    fn default() -> Self {
        Self { failures: 5, lasts: Duration::from_secs(10) }
    }
}

impl Eject {
    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.failures > MAX_FAILURES {
            let said =
                format!("`eject.failures`: {} is not within 0 to {MAX_FAILURES}", self.failures);
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}
