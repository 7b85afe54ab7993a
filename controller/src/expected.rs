//! What the keys ask the proxies to serve.

use std::collections::BTreeSet;

use shunt_config::Token;
use shunt_config::status::AppStatus;

use crate::ack::{Ack, Ask};
use crate::app_keys::AppKeys;

/// What the keys ask the proxies to serve, by identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Token of `active`.
    pub active: Token,
    /// Token of `app`.
    pub app: Option<Token>,
    /// The releases that are to get new requests.
    pub serving: BTreeSet<Token>,
}

impl Expected {
    /// What `keys` ask for; `None` where they ask for nothing that could be served.
    pub fn of(keys: &AppKeys) -> Option<Self> {
        let active = keys.active.as_ref()?;
        let shares = active.ok()?.shares();
        let serving = shares
            .map(|(slot, _)| Some(keys.slot(slot)?.token.clone()))
            .collect::<Option<BTreeSet<_>>>()?;
        let app = keys.app.as_ref().map(|kept| kept.token.clone());
        Some(Self { active: active.token.clone(), app, serving })
    }

    fn names(&self, token: &Token) -> bool {
        self.active == *token || self.app.as_ref() == Some(token) || self.serving.contains(token)
    }
}

impl Ask for Expected {
    fn superseded(&self, keys: &AppKeys) -> Option<String> {
        match Self::of(keys) {
            Some(now) if now == *self => None,
            Some(now) if now.active != self.active => Some("`active` was put again".to_owned()),
            Some(_) => Some("a slot or the app's settings were put again".to_owned()),
            None => {
                Some("`active`, or the slot it names, was deleted or cannot be read".to_owned())
            }
        }
    }

    fn judge(&self, status: Option<&AppStatus>) -> Ack {
        let Some(status) = status else {
            return Ack::Waiting("says nothing of the app yet".to_owned());
        };
        let serving: BTreeSet<Token> = status.serving.iter().map(|s| s.token.clone()).collect();
        if serving == self.serving
            && status.app == self.app
            && status.active.as_ref() == Some(&self.active)
        {
            return Ack::Applied;
        }
        let named = |token: &Option<Token>| token.as_ref().is_some_and(|t| self.names(t));
        if let Some(refusal) = status.refused.iter().find(|refusal| named(&refusal.token)) {
            return Ack::Refused(refusal.reason.clone());
        }
        match &status.pending {
            Some(pending) => Ack::Waiting(pending.reason.clone()),
            None => Ack::Waiting("has not applied it yet".to_owned()),
        }
    }
}
