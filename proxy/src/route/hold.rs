//! What stops the requests of an app: a hold, its end, or maintenance.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use shunt_config::Token;
use shunt_config::hold::Hold as Spec;

use super::hall::Hall;

/// When to come back, in seconds, where nothing tells: of the order of a deploy.
const RETRY_AFTER: u64 = 5;

/// What happens to requests that are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// They wait.
    Wait,
    /// They are refused: the time to wait is over.
    Refuse,
    /// They are told of the maintenance.
    Maintenance,
}

/// What stops the requests of an app.
#[derive(Debug)]
pub struct Hold {
    /// Token of the `hold` value.
    pub token: Token,
    /// What happens to them.
    pub stop: Stop,
    /// When its time is over.
    pub until: Option<Instant>,
    /// Where they wait.
    pub hall: Arc<Hall>,
    spec: Arc<Spec>,
}

impl Hold {
    /// The hold that was put as `token`.
    pub fn new(
        token: Token,
        spec: Arc<Spec>,
        stop: Stop,
        until: Option<Instant>,
        hall: &Arc<Hall>,
    ) -> Self {
        Self { token, stop, until, hall: Arc::clone(hall), spec }
    }

    /// Whether it concerns the client at `address`.
    pub fn concerns(&self, address: IpAddr) -> bool {
        self.stop != Stop::Maintenance || !self.spec.allow.contain(address)
    }

    /// Requests that may wait.
    pub fn length(&self) -> u32 {
        self.spec.length()
    }

    /// What the operator has to say to visitors.
    pub fn message(&self) -> Option<&str> {
        self.spec.message.as_deref()
    }

    /// In how many seconds it makes sense to come back.
    pub fn retry_after(&self) -> u64 {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(RETRY_AFTER, |left| left.as_secs() + 1)
    }
}
