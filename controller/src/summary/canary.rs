//! How far a canary has come.

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::{AppName, Slot};

use crate::app_keys::AppKeys;
use crate::canary::{Left, answers, place};
use crate::fleet::Fleet;
use crate::time::{age, show};

/// How far a canary has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CanaryLine {
    #[serde(skip)]
    app: AppName,
    /// The slot that is tried.
    pub slot: Slot,
    /// Percent of the requests it gets.
    pub share: u8,
    /// Which share of all that is, from 1.
    pub step: usize,
    /// How many there are.
    pub of: usize,
    /// Since when every live proxy has it.
    pub since: Option<Timestamp>,
    /// What it waits for.
    pub left: Option<Left>,
    #[serde(skip)]
    place: String,
}

impl CanaryLine {
    pub(super) fn new(keys: &AppKeys, fleet: &Fleet) -> Option<Self> {
        let record = keys.record()?;
        let canary = record.running_canary()?;
        let token = &keys.slot(record.slot)?.token;
        Some(Self {
            app: keys.name.clone(),
            slot: record.slot,
            share: canary.part()?.percent,
            step: canary.begun,
            of: canary.steps.len(),
            since: canary.since,
            left: Left::of(canary, answers(fleet, token)),
            place: place(canary),
        })
    }

    pub(super) fn text(&self) -> String {
        let state = match (&self.left, self.since) {
            (Some(left), Some(since)) => {
                let since = show(age(since));
                format!("for {since}; {}", left.text(&self.app))
            }
            _ => "not served by every proxy yet".to_owned(),
        };
        format!("  canary {} {}, {state}", self.slot, self.place)
    }
}
