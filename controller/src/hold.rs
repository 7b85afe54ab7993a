//! Holding an app, and what proxies say to it.

use shunt_config::Token;
use shunt_config::record::Deploy;
use shunt_config::status::{AppStatus, HoldState};

use crate::ack::{Ack, Ask};
use crate::app_keys::{AppKeys, Kept};

/// Whether what holds the app of `keys` is the deploy of `record`.
pub fn holds(keys: &AppKeys, record: &Deploy) -> bool {
    let hold = keys.hold.as_ref().and_then(Kept::ok);
    hold.is_some_and(|hold| hold.deploy.as_ref() == Some(&record.id))
}

/// What is asked of the proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The hold, or the maintenance, that was put as this token.
    Held(Token),
    /// That requests go through.
    Free,
}

impl Asked {
    /// What `keys` ask for.
    pub fn of(keys: &AppKeys) -> Self {
        keys.hold.as_ref().map_or(Self::Free, |kept| Self::Held(kept.token.clone()))
    }
}

impl Ask for Asked {
    fn superseded(&self, keys: &AppKeys) -> Option<String> {
        (Self::of(keys) != *self).then(|| "`hold` was put again, or deleted".to_owned())
    }

    fn judge(&self, status: Option<&AppStatus>) -> Ack {
        let waits = |why: &str| Ack::Waiting(why.to_owned());
        let Some(status) = status else { return waits("says nothing of the app yet") };
        match (self, &status.hold) {
            (Self::Held(token), Some(hold)) if hold.token == *token => Ack::Applied,
            (Self::Held(token), _) => {
                let refused = status.refused.iter().find(|r| r.token.as_ref() == Some(token));
                refused.map_or_else(
                    || waits("has not applied it yet"),
                    |refusal| Ack::Refused(refusal.reason.clone()),
                )
            }
            (Self::Free, None) => Ack::Applied,
            (Self::Free, Some(hold)) => match hold.state {
                HoldState::LettingGo => Ack::Applied,
                HoldState::Stops | HoldState::Refuses | HoldState::Over => waits("holds it still"),
            },
        }
    }
}
