//! Visitors who stay on a release that new ones no longer go to, as the proxies count them.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::sessions;
use shunt_config::{Slot, Token};

use crate::app_keys::{AppKeys, Kept};
use crate::fleet::Fleet;
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};
use crate::time::{later, remaining, show};

/// Who stays on one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// Visitors, if each is seen by one proxy alone: what the proxies count together.
    pub most: u64,
    /// Visitors, if each is seen by all of them: what the one counts that counts most.
    pub least: u64,
    /// Requests and tunnels of theirs that are not over.
    pub requests: u64,
    /// Until when visitors may come back whom no proxy counts.
    pub more_until: Option<Timestamp>,
    /// When the last of them has to go.
    pub until: Timestamp,
}

impl Stay {
    /// Who stays on the release announced as `token`; `None` where no proxy lets anyone stay.
    pub fn of(fleet: &Fleet, token: &Token) -> Option<Self> {
        let mut sum: Option<Self> = None;
        for (_, stays) in fleet.stays(token) {
            let visitors = u64::from(stays.visitors);
            let sum = sum.get_or_insert(Self {
                most: 0,
                least: 0,
                requests: 0,
                more_until: None,
                until: stays.until,
            });
            sum.most += visitors;
            sum.least = sum.least.max(visitors);
            sum.requests += stays.requests;
            sum.more_until = sum.more_until.max(stays.more_until);
            sum.until = sum.until.min(stays.until);
        }
        sum
    }

    /// Whether nobody is there, nor can come back.
    pub fn is_over(&self) -> bool {
        self.most == 0 && self.requests == 0 && self.more_until.is_none()
    }

    /// How many, in words.
    pub fn visitors(&self) -> String {
        match (self.least, self.most) {
            (1, 1) => "1 visitor".to_owned(),
            (least, most) if least == most => format!("{most} visitors"),
            (least, most) => format!("{least} to {most} visitors"),
        }
    }

    /// Who is there until `until` at most, in words.
    pub fn text(&self, until: Timestamp) -> String {
        let stay = if self.most == 1 { "stays" } else { "stay" };
        let left = show(remaining(until));
        match self.more_until.filter(|_| self.most == 0 && self.requests == 0) {
            Some(more) => {
                let more = show(remaining(more.min(until)));
                format!("visitors may come back for another {more}")
            }
            None if self.most == 0 => format!("{} request(s) are not over", self.requests),
            None => format!("{} {stay}, for another {left} at most", self.visitors()),
        }
    }
}

/// For how long the app's visitors stay, if they do.
pub fn setting(keys: &AppKeys) -> Option<sessions::Stay> {
    keys.app.as_ref().and_then(Kept::ok)?.sessions.stay().copied()
}

/// Until when visitors may stay on what is in `slot` once another release takes its place there;
/// `None` where nobody does: it never served, or its time is over already.
pub fn may_stay(keys: &AppKeys, fleet: &Fleet, slot: Slot) -> Option<Timestamp> {
    let (stay, token) = (setting(keys)?, &keys.slot(slot)?.token);
    let told = Stay::of(fleet, token).map(|stay| stay.until);
    let serves = || {
        let names = fleet.serves(token);
        names.then(|| later(Timestamp::now(), stay.deadline))
    };
    told.or_else(serves)
}

/// Waits until nobody stays on `tokens`, at most for `limit`; who is left then, in words.
pub async fn who_is_left(
    sight: &mut Sight,
    tokens: &[Token],
    limit: Duration,
    tell: &mut Tell<'_>,
) -> Option<String> {
    let waited: Result<Waited<()>, Infallible> = sight
        .wait(limit, tell, |_, fleet| {
            let all = tokens.iter().filter_map(|token| Stay::of(fleet, token));
            Ok(match all.into_iter().find(|stay| !stay.is_over()) {
                Some(stay) => Look::Wait(stay.visitors(), stay.text(stay.until)),
                None => Look::Done(()),
            })
        })
        .await;
    match waited {
        Ok(Waited::Done(())) => None,
        Ok(Waited::TimedOut(left)) => Some(left),
        Err(never) => match never {},
    }
}
