//! Where requests wait while every target has as many as it may.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::strict::Mistake;

/// Requests waiting at most, whatever is written: each holds a client's connection.
const MAX_LENGTH: u32 = 100_000;

/// Where requests wait while every target has `max_requests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Requests that may wait in one proxy, at most 100,000; those beyond are answered at once with
    /// 503. 0: none waits.
    pub length: u32,
    /// For how long; then 503.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { length: 100, timeout: Duration::from_secs(5) }
    }
}

impl Queue {
    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.length > MAX_LENGTH {
            let said = format!("`queue.length`: {} is not within 0 to {MAX_LENGTH}", self.length);
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}
