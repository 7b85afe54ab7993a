//! An app's hold as it runs: what stops requests, where they wait, and what is shown of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use shunt_config::Token;
use shunt_config::status::{HoldState, HoldStatus};

use super::AppRun;
use crate::route::{Hall, Hold, Stop};

impl AppRun {
    /// Where its requests wait while it is held.
    pub fn hall(&self) -> &Arc<Hall> {
        &self.hall
    }

    /// What stops requests now: the present hold if that is still right, otherwise a new one.
    pub(super) fn hold_now(&self) -> Option<Arc<Hold>> {
        let held = self.holding.held()?;
        let stop = held.stop()?;
        let present = self.site.as_ref().and_then(|(site, _)| site.hold.as_ref());
        let right = |hold: &&Arc<Hold>| hold.token == held.put.token && hold.stop == stop;
        let new = || {
            let (token, spec) = (held.put.token.clone(), Arc::clone(&held.put.value));
            let until = held.end().map(|end| end.at);
            Arc::new(Hold::new(token, spec, stop, until, &self.hall))
        };
        Some(present.filter(right).cloned().unwrap_or_else(new))
    }

    /// Opens the hall where nothing stops requests any more. To be called after what is published.
    pub(super) fn open_hall(&self) {
        let held = self.site.as_ref().and_then(|(site, _)| site.hold.as_ref());
        match held.map(|hold| hold.stop) {
            Some(Stop::Wait) => {}
            // Whoever waits is told that at once.
            Some(Stop::Refuse | Stop::Maintenance) => self.hall.open(None),
            None => {
                let over = self.holding.held().map(|held| &held.put);
                let pace = over.or(self.holding.before()).map(|put| put.value.pace());
                self.hall.open(pace.filter(|_| self.site.is_some()));
            }
        }
    }

    /// What is shown of its hold, once that is in effect; `None` without one.
    pub(super) fn hold_status(&self) -> Option<HoldStatus> {
        let waiting = self.hall.waiting();
        let Some(held) = self.holding.held() else {
            let put = self.holding.before().filter(|_| waiting > 0)?;
            let (token, mode, state) = (put.token.clone(), put.value.mode, HoldState::LettingGo);
            return Some(HoldStatus {
                token,
                mode,
                state,
                waiting,
                until: None,
                leases: [].into(),
            });
        };
        Some(HoldStatus {
            token: held.put.token.clone(),
            mode: held.put.value.mode,
            state: held.state(),
            waiting,
            until: held.end().map(|end| end.shown),
            leases: self.leases(),
        })
    }

    /// Leases on all its releases.
    fn leases(&self) -> BTreeMap<Token, u64> {
        let mut all = self.drain.leases();
        for (token, leases) in self.drain.preview_leases() {
            *all.entry(token).or_default() += leases;
        }
        for epoch in self.site.iter().flat_map(|(site, _)| site.epochs()) {
            for share in epoch.shares() {
                let token = &share.release.token;
                *all.entry(token.clone()).or_default() += epoch.leases(token);
            }
        }
        all.retain(|_, leases| *leases > 0);
        all
    }

    /// Whether its status counts: a hold is on, or requests that waited are let go.
    pub fn is_held(&self) -> bool {
        self.holding.held().is_some_and(|held| held.stop().is_some()) || self.hall.waiting() > 0
    }
}
