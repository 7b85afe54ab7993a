//! What stops an app's requests, on a line.

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::hold::{Hold, Mode, Then};
use shunt_config::status::{HoldState, HoldStatus};

use crate::ack::Ack;
use crate::app_keys::{AppKeys, Kept};
use crate::fleet::Fleet;
use crate::hold::Asked;
use crate::time::{remaining, show};

/// What stops an app's requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HoldLine {
    /// What is asked for; `None` once that is over and requests that waited are let go.
    pub asked: Option<Hold>,
    /// Requests that wait, in all live proxies.
    pub waiting: u64,
    /// When the last of them lets requests through, or refuses them, by itself.
    pub until: Option<Timestamp>,
    /// Whether its time is over on all live proxies.
    pub over: bool,
    /// Proxies that do not do what is asked yet.
    pub missing: Vec<String>,
}

impl HoldLine {
    pub(super) fn new(keys: &AppKeys, fleet: &Fleet) -> Option<Self> {
        let asked = keys.hold.as_ref().and_then(Kept::ok).cloned();
        let said = || {
            let all = fleet.live().flat_map(|(_, proxy)| proxy.statuses());
            all.filter_map(|status| status.hold.as_ref())
        };
        let waiting = said().map(|hold| u64::from(hold.waiting)).sum();
        if keys.hold.is_none() && said().next().is_none() {
            return None;
        }
        let late = |hold: &HoldStatus| !matches!(hold.state, HoldState::Stops);
        let wanted = Asked::of(keys);
        let missing = fleet.acks(&wanted).into_iter();
        let missing = missing.filter(|(_, ack)| *ack != Ack::Applied);
        Some(Self {
            asked,
            waiting,
            until: said().filter_map(|hold| hold.until).max(),
            over: said().next().is_some() && said().all(late),
            missing: missing.map(|(name, _)| name.to_string()).collect(),
        })
    }

    pub(super) fn text(&self) -> String {
        let waits = match self.waiting {
            0 => String::new(),
            1 => ", 1 request waits".to_owned(),
            n => format!(", {n} requests wait"),
        };
        let left = match self.until {
            Some(until) => format!(" for another {}", show(remaining(until))),
            None => String::new(),
        };
        let text = match &self.asked {
            None => "held no more".to_owned(),
            Some(hold) => match (hold.mode, self.over, hold.then()) {
                (Mode::Hold, true, Then::Release) => "held no more, its time is over".to_owned(),
                (Mode::Hold, true, Then::Refuse) => {
                    "held for too long: requests are refused".to_owned()
                }
                (Mode::Hold, false, then) => format!("held{left}, then {then}"),
                (Mode::Maintenance, true, _) => {
                    "no more in maintenance, its time is over".to_owned()
                }
                (Mode::Maintenance, false, _) => {
                    let said = hold.message.as_ref().map(|text| format!(": {text}"));
                    format!("in maintenance{left}{}", said.unwrap_or_default())
                }
            },
        };
        let by = self.asked.as_ref().and_then(|hold| hold.deploy.as_ref());
        let by = by.map(|deploy| format!(", by deploy {deploy}")).unwrap_or_default();
        let missing = match self.missing.is_empty() {
            true => String::new(),
            false => format!(", not yet by {}", self.missing.join(", ")),
        };
        format!("  {text}{waits}{by}{missing}")
    }
}
