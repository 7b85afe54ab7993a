//! What one app serves, and what a flip leads to. This is also what is saved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shunt_config::{Active, App, Release, Slot, Token};

/// A value and the identity of its putting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put<T> {
    /// Identity.
    pub token: Token,
    /// Value.
    pub value: Arc<T>,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// The shares.
    pub active: Put<Active>,
    /// The release of each slot that has a share.
    pub releases: Vec<(Slot, Put<Release>)>,
}

/// What one app serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its settings.
    pub settings: Put<App>,
    /// Where its requests go; `None` until a release was proved.
    pub flip: Option<Flip>,
}

/// A moment, on the clock that never jumps and on the one people read.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For intervals.
    pub at: Instant,
    /// For people.
    pub shown: Timestamp,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { at: Instant::now(), shown: Timestamp::now() }
    }

    /// The moment `lasts` after it; `None` if no clock goes that far.
    pub fn later(self, lasts: Duration) -> Option<Self> {
        let shown = self.shown.checked_add(jiff::SignedDuration::try_from(lasts).ok()?).ok()?;
        Some(Self { at: self.at.checked_add(lasts)?, shown })
    }

    /// The moment that clocks show as `until`, but no more than `most` after this one: a clock that was
    /// set back makes nothing last longer.
    pub fn until(self, until: Timestamp, most: Duration) -> Option<Self> {
        let left = Duration::try_from(until.duration_since(self.shown)).unwrap_or_default();
        self.later(left.min(most))
    }
}

/// What a flip leads to, by identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// The `active` value.
    pub active: Token,
    /// The release wanted in each slot that gets a share, if there is one.
    pub slots: Vec<(Slot, Option<Token>)>,
}
