//! What requests may still be on, though new ones no longer go there.

use std::collections::BTreeMap;
use std::sync::Arc;

use shunt_config::Token;

use super::live::Live;
use crate::metrics::Totals;
use crate::route::{Epoch, Release, Share};

/// One app's replaced epochs, and the releases that go with the last request on them.
#[derive(Debug, Default)]
pub struct Drain {
    replaced: Vec<Arc<Epoch>>,
    leaving: Vec<Arc<Release>>,
    /// Those of previews, which are not counted with the others.
    previews: Vec<Arc<Release>>,
    /// What releases that are gone have counted, by slot.
    gone: Gone,
}

/// What releases that are gone have counted, by slot; nothing of one without requests.
pub type Gone = [Option<Arc<Totals>>; 2];

impl Drain {
    /// Takes in an epoch that was replaced.
    pub fn closed(&mut self, epoch: Arc<Epoch>) {
        self.replaced.push(epoch);
    }

    /// Takes in a release that nothing admits any more and that is announced no more.
    pub fn leave(&mut self, release: Arc<Release>) {
        self.leaving.push(release);
    }

    /// Takes in a release of previews that are replaced or over.
    pub fn leave_preview(&mut self, release: Arc<Release>) {
        self.previews.push(release);
    }

    /// Lets go of what is drained. A release's connections are dropped then, and what it counted
    /// becomes part of its slot's sum.
    pub fn settle(&mut self, lives: &[Live]) {
        self.replaced.retain(|epoch| epoch.all_leases() > 0);
        let (busy, done) =
            std::mem::take(&mut self.leaving).into_iter().partition(|release| self.is_on(release));
        self.leaving = busy;
        let (busy, previews): (_, Vec<_>) =
            std::mem::take(&mut self.previews).into_iter().partition(|release| self.is_on(release));
        self.previews = busy;
        for release in previews {
            release.retire();
        }
        for release in done {
            release.retire();
            // The same announcement under other limits goes on counting in the same meters.
            let counts = |other: &Arc<Release>| Arc::ptr_eq(&other.meters, &release.meters);
            let counts_on =
                lives.iter().any(|live| counts(&live.release)) || self.leaving.iter().any(counts);
            if release.meters.are_used() && !counts_on {
                let gone = self.gone[release.slot as usize].get_or_insert_default();
                Arc::make_mut(gone).add(&release.meters.totals());
            }
        }
    }

    /// Leases on replaced epochs by release, but for those of previews.
    pub fn leases(&self) -> BTreeMap<Token, u64> {
        self.count(|epoch| !self.is_preview(epoch))
    }

    /// Leases on replaced epochs of previews, by release.
    pub fn preview_leases(&self) -> BTreeMap<Token, u64> {
        self.count(|epoch| self.is_preview(epoch))
    }

    fn is_preview(&self, epoch: &Epoch) -> bool {
        let of = |share: &Share| self.previews.iter().any(|own| Arc::ptr_eq(own, &share.release));
        epoch.shares().iter().any(of)
    }

    fn count(&self, counts: impl Fn(&Epoch) -> bool) -> BTreeMap<Token, u64> {
        let mut all = BTreeMap::new();
        for epoch in self.replaced.iter().filter(|epoch| counts(epoch)) {
            for share in epoch.shares() {
                let token = &share.release.token;
                *all.entry(token.clone()).or_default() += epoch.leases(token);
            }
        }
        all.retain(|_, leases| *leases > 0);
        all
    }

    /// Whether a request is on a replaced epoch.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }

    /// The replaced epochs that requests are on.
    pub fn replaced(&self) -> &[Arc<Epoch>] {
        &self.replaced
    }

    /// The releases that go with the last request on them.
    pub fn leaving(&self) -> &[Arc<Release>] {
        &self.leaving
    }

    /// What releases that are gone have counted, by slot.
    pub fn gone(&self) -> &Gone {
        &self.gone
    }

    fn is_on(&self, release: &Arc<Release>) -> bool {
        self.replaced.iter().any(|epoch| {
            let admits = epoch.shares().iter().any(|share| Arc::ptr_eq(&share.release, release));
            admits && epoch.leases(&release.token) > 0
        })
    }
}
