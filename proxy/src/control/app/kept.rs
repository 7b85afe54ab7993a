//! The releases of an app that visitors stay on, as they run: their share of nothing, and who is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use shunt_config::Token;
use shunt_config::key::AppKey;
use shunt_config::status::{Refusal, Stays};
use tracing::{info, warn};

use super::{AppRun, Context};
use crate::control::desired::Wanted;
use crate::control::keeping::Kept;
use crate::control::live::Live;
use crate::control::served::Moment;
use crate::route::Share;

impl AppRun {
    /// Whether visitors stay on a release that new ones do not go to.
    pub fn keeps_visitors(&self) -> bool {
        self.keeping.known().next().is_some()
    }

    /// Looks at who may stay where, once what is served is settled.
    pub(super) fn keep(&mut self, wanted: &Wanted, now: Moment, context: &Context) {
        let out = |app: &Self| -> Vec<Token> {
            app.keeping.crowded_out().map(|kept| kept.put.token.clone()).collect()
        };
        let (before, before_out) = (std::mem::take(&mut self.stays), out(self));
        self.keeping.step(wanted, self.state.served(), now);
        let kept: Vec<_> = self.keeping.stays().map(|k| (k.slot, k.put.clone())).collect();
        self.probe(&kept, context);
        self.count_visitors();
        let (app, after) = (&self.name, &self.stays);
        for (release, Stays { until, .. }) in after.iter().filter(|(t, _)| !before.contains_key(*t))
        {
            info!(%app, %release, %until, "new visitors go elsewhere, its own stay");
        }
        for (release, stays) in before.iter().filter(|(token, _)| !after.contains_key(*token)) {
            info!(%app, %release, visitors = stays.visitors, "its visitors stay no more");
        }
        for release in out(self).iter().filter(|token| !before_out.contains(token)) {
            warn!(%app, %release, "its visitors go to the new release: {}", CROWDED);
        }
    }

    /// The shares of nothing that kept releases have.
    pub(super) fn kept_shares(&self) -> impl Iterator<Item = Share> {
        let lives = self.keeping.stays().filter_map(|kept| self.live(&kept.put.token));
        lives.map(|live| Share { release: Arc::clone(&live.release), percent: 0 })
    }

    /// Counts who stays where. What is told of them does not change between two counts: visitors come
    /// and go all the time.
    pub fn count_visitors(&mut self) {
        self.stays = self.counted();
    }

    fn counted(&self) -> BTreeMap<Token, Stays> {
        let drained = self.drain.leases();
        let stays = |(kept, until): (&Kept, Timestamp)| {
            let token = &kept.put.token;
            let release = &self.live(token)?.release;
            let (sessions, stay) = (release.sessions.as_ref()?, release.spread.sessions?);
            let open = self.epoch().map_or(0, |epoch| epoch.leases(token));
            let more = sessions.more_until(stay.idle);
            let stays = Stays {
                slot: kept.slot,
                version: kept.put.value.version.clone(),
                visitors: sessions.count(stay.idle),
                requests: open + drained.get(token).copied().unwrap_or_default(),
                more_until: more.and_then(|at| Timestamp::from_second(i64::from(at)).ok()),
                until,
            };
            Some((token.clone(), stays))
        };
        self.keeping.known().filter_map(stays).collect()
    }

    /// What is said of releases whose visitors had to go before their time.
    pub(super) fn crowded_out(&self) -> impl Iterator<Item = Refusal> {
        self.keeping.crowded_out().map(|kept| Refusal {
            key: AppKey::Draining(kept.put.token.clone()).of(&self.name).to_string(),
            token: None,
            reason: format!("its visitors go to the new release: {CROWDED}"),
        })
    }

    fn live(&self, token: &Token) -> Option<&Live> {
        self.lives.iter().find(|live| live.token() == token)
    }
}

/// As [`crate::route::epoch::MAX_KEPT`] has it.
const CROWDED: &str = "visitors stay on 6 releases before it at most";
