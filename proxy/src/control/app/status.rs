//! What is told of an app to the store and to those who look.

use std::collections::BTreeMap;

use shunt_config::status::{AppStatus, Counts, Serving};
use shunt_config::{Slot, Token};

use super::AppRun;
use crate::control::live::Live;
use crate::control::served::Put;
use crate::control::serving::Verdict;

impl AppRun {
    /// The status as it is to be shown; `None` when there is nothing left to say.
    pub fn status(&self, stale: bool) -> Option<AppStatus> {
        let served = self.state.served();
        let flip = self.state.flip();
        let serving = |(slot, put): &(Slot, Put<shunt_config::Release>)| Serving {
            slot: *slot,
            token: put.token.clone(),
            share: flip.map_or(0, |flip| flip.active.value.share(*slot)),
            version: put.value.version.clone(),
        };
        let mut serving: Vec<_> =
            flip.into_iter().flat_map(|flip| &flip.releases).map(serving).collect();
        let draining = self.draining();
        let Verdict { refused, pending, .. } = &self.verdict;
        let refused: Vec<_> = refused.iter().cloned().chain(self.crowded_out()).collect();
        let quiet = draining.is_empty() && self.drain.preview_leases().is_empty();
        if served.is_none() && refused.is_empty() && quiet {
            return None;
        }
        let mut targets: Vec<_> = self.lives.iter().flat_map(Live::targets).collect();
        targets.sort_by_key(|target| target.slot);
        // Most have one or two, and room for four was made.
        targets.shrink_to_fit();
        serving.shrink_to_fit();
        Some(AppStatus {
            app: served.map(|served| served.settings.token.clone()),
            active: self.active_token(),
            serving,
            refused,
            pending: pending.clone(),
            draining,
            sessions: self.stays.clone(),
            previews: self.previewed(),
            previews_left: self.drain.preview_leases(),
            hold: self.hold_status(),
            mirror: self.mirror_status(),
            counts: self.counts(),
            targets,
            stale,
        })
    }

    /// Leases on releases that new requests no longer go to.
    pub fn draining(&self) -> BTreeMap<Token, u64> {
        let mut leases = self.drain.leases();
        for (_, put) in self.state.flip().into_iter().flat_map(|flip| &flip.releases) {
            leases.remove(&put.token);
        }
        // Those of visitors who stay are no sign that anything drains.
        leases.retain(|token, _| !self.keeping.has(token));
        leases
    }

    /// What requests to its releases came to, while a deploy runs.
    fn counts(&self) -> BTreeMap<Token, Counts> {
        let lives = self.lives.iter().filter(|_| self.deploying);
        lives.map(|live| (live.token().clone(), live.counts())).collect()
    }

    /// Token of the `active` value now served.
    fn active_token(&self) -> Option<Token> {
        self.state.flip().map(|flip| flip.active.token.clone())
    }
}
