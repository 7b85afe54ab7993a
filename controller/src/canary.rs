//! What the present part of a canary still waits for.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::record::{Canary, Part};
use shunt_config::{AppName, Token};

use crate::fleet::Fleet;
use crate::time::{later, remaining, show};

/// What the present part of a canary still waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Until when it lasts at least.
    pub until: Option<Timestamp>,
    /// How many answers the new release has given, and has to give.
    pub requests: Option<(u64, u64)>,
    /// Whether someone has to say that it goes on.
    pub promote: bool,
}

impl Left {
    /// What `canary` waits for while its new release has given `answers` in all; `None` if its present
    /// part is not served by every live proxy yet.
    pub fn of(canary: &Canary, answers: u64) -> Option<Self> {
        let Part { lasts, requests, pause, .. } = canary.part()?;
        let since = canary.since?;
        let until = lasts.map(|lasts| later(since, lasts));
        // A proxy that begins anew counts from zero.
        let given = answers.saturating_sub(canary.answered);
        Some(Self {
            until: until.filter(|until| *until > Timestamp::now()),
            requests: (given < *requests).then_some((given, *requests)),
            promote: *pause,
        })
    }

    /// For how long it is sure to last.
    pub fn time(&self) -> Option<Duration> {
        self.until.map(remaining)
    }

    /// Whether it waits for nothing any more.
    pub fn is_nothing(&self) -> bool {
        self.until.is_none() && self.requests.is_none() && !self.promote
    }

    /// In words; `app` is the one to promote.
    pub fn text(&self, app: &AppName) -> String {
        let time = self.time().map(|time| format!("{} left", show(time)));
        let requests =
            self.requests.map(|(given, due)| format!("{given} of {due} requests answered"));
        let promote = self.promote.then(|| format!("waits for `shuntctl promote {app}`"));
        let all: Vec<String> = time.into_iter().chain(requests).chain(promote).collect();
        all.join(", ")
    }

    /// Words that change only when it waits for something else.
    pub fn kind(&self) -> String {
        let Self { until, requests, promote } = self;
        format!("{} {} {promote}", until.is_some(), requests.is_some())
    }
}

/// Which part of how many, in words.
pub fn place(canary: &Canary) -> String {
    let percent = canary.part().map_or(0, |part| part.percent);
    format!("{percent}%, step {} of {}", canary.begun, canary.steps.len())
}

/// How many requests to the release announced as `token` the live proxies say are over.
pub fn answers(fleet: &Fleet, token: &Token) -> u64 {
    let statuses = fleet.live().flat_map(|(_, proxy)| proxy.statuses());
    statuses.filter_map(|status| status.counts.get(token)).map(|counts| counts.total.requests).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(steps: &str) -> Canary {
        Canary { begun: 1, ..Canary::new(shunt_config::strict::json(steps).unwrap()) }
    }

    #[test]
    fn a_part_waits_for_all_that_it_names_once_it_is_served() {
        let mut canary = canary(r#"[{"percent":5,"for":"1h","requests":100,"pause":true}]"#);
        assert_eq!(Left::of(&canary, 0), None, "not every proxy has it");
        (canary.since, canary.answered) = (Some(Timestamp::now()), 40);
        let left = Left::of(&canary, 90).unwrap();
        assert_eq!((left.requests, left.promote), (Some((50, 100)), true));
        assert!(left.time().is_some() && !left.is_nothing());
        let said = left.text(&"web".parse().unwrap());
        assert!(said.ends_with("50 of 100 requests answered, waits for `shuntctl promote web`"));
        canary.since = Some(Timestamp::UNIX_EPOCH);
        let left = Left::of(&canary, 140).unwrap();
        assert_eq!((left.until, left.requests, left.promote), (None, None, true));
        assert_eq!(Left::of(&canary, 10).unwrap().requests, Some((0, 100)), "a proxy began anew");
    }

    #[test]
    fn a_part_that_has_had_its_time_waits_for_nothing() {
        let mut canary = canary(r#"[{"percent":5,"for":"1m"}]"#);
        canary.since = Some(Timestamp::UNIX_EPOCH);
        assert!(Left::of(&canary, 0).unwrap().is_nothing());
        assert_eq!(place(&canary), "5%, step 1 of 1");
    }
}
