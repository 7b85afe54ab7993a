//! What an app says of how its requests are spread over the targets of a release.

use std::time::Duration;

use shunt_config::App;
use shunt_config::balance::Balance;
use shunt_config::eject::Eject;
use shunt_config::queue::Queue;
use shunt_config::sessions::Stay;
use shunt_config::sticky::Sticky;

/// How requests are spread over the targets of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// In what order targets are chosen.
    pub balance: Balance,
    /// Whether a visitor stays with a target or slot.
    pub sticky: Sticky,
    /// For how long it stays there after a flip, if it does.
    pub sessions: Option<Stay>,
    /// Requests on one target at a time; 0 for any number.
    pub max_requests: u32,
    /// Where requests wait while every target has that many.
    pub queue: Queue,
    /// When a target that fails requests is left out.
    pub eject: Eject,
    /// For how long a target that was just proved gets less than its share.
    pub slow_start: Option<Duration>,
}

impl Spread {
    /// What `app` says.
    pub fn of(app: &App) -> Self {
        Self {
            balance: app.balance.clone(),
            sticky: app.stays_with(),
            sessions: app.sessions.stay().copied(),
            max_requests: app.max_requests,
            queue: app.queue,
            eject: app.eject,
            slow_start: app.slow_start,
        }
    }

    /// Whether requests on each target are counted. Threads share those counts, so they cost
    /// something, and nobody pays who does not ask for them.
    pub(crate) fn counts(&self) -> bool {
        self.max_requests > 0
            || matches!(self.balance, Balance::LeastRequests | Balance::TwoChoices)
    }
}
