//! An app's mirror as it runs: an epoch of its own for the standby release, and what its copies came to.

use std::sync::Arc;

use shunt_config::status::MirrorStatus;
use shunt_config::{Slot, Token};

use super::aside::Aside;
use super::{AppRun, Context};
use crate::metrics::Pairs;
use crate::route::{Mirror, Release};

/// What is kept of an app's copies while the value of its `mirror` stands.
#[derive(Debug)]
pub(super) struct Copies {
    /// Token of that value.
    token: Token,
    slot: Slot,
    pairs: Arc<Pairs>,
    aside: Aside,
}

impl AppRun {
    /// Where its requests are copied to: as it is published if that is still right.
    pub(super) fn mirror_now(&mut self, context: &Context) -> Option<Arc<Mirror>> {
        let Some(timed) = self.mirroring.timed().cloned() else {
            self.end_copies();
            return None;
        };
        let (token, mirror) = (timed.put.token.clone(), Arc::clone(&timed.put.value));
        if self.copies.as_ref().is_some_and(|copies| copies.token != token) {
            self.end_copies();
        }
        let release = timed.end().and_then(|_| self.standby(mirror.slot)).cloned();
        let threads = context.threads;
        let copies = self.copies.get_or_insert_with(|| {
            let (pairs, aside) = (Arc::new(Pairs::new(threads)), Aside::new(threads));
            Box::new(Copies { token, slot: mirror.slot, pairs, aside })
        });
        let (epoch, replaced) = copies.aside.show(release.as_ref(), threads);
        if let Some(release) = replaced {
            // Nobody waits for what is under way: its connections may go at once.
            release.retire();
        }
        let epoch = epoch?;
        let present = self.site.as_ref().and_then(|(site, _)| site.mirror.as_ref());
        if let Some(present) = present.filter(|present| Arc::ptr_eq(present.epoch(), &epoch)) {
            return Some(Arc::clone(present));
        }
        let pairs = Arc::clone(&copies.pairs);
        Some(Arc::new(Mirror::new(mirror.percent(), epoch, pairs)))
    }

    /// The release announced last in `slot`, if it is proved and no request of the app goes there.
    fn standby(&self, slot: Slot) -> Option<&Arc<Release>> {
        let live = self.lives.iter().rev().find(|live| live.release.slot == slot)?;
        let mut serving = self.state.flip().into_iter().flat_map(|flip| &flip.releases);
        let asked = serving.any(|(_, put)| put.token == *live.token())
            || self.keeping.known().any(|(kept, _)| kept.put.token == *live.token());
        (live.was_proved() && !asked).then_some(&live.release)
    }

    /// Lets go of what copies had.
    pub(super) fn end_copies(&mut self) {
        let Some(mut copies) = self.copies.take() else { return };
        if let (_, Some(release)) = copies.aside.show(None, 0) {
            release.retire();
        }
    }

    /// Whether its requests are to be copied now.
    pub(super) fn is_mirrored(&self) -> bool {
        self.copies.is_some() && self.mirroring.deadline().is_some()
    }

    /// What is shown of its mirror; `None` without one.
    pub(super) fn mirror_status(&self) -> Option<MirrorStatus> {
        let (timed, copies) = (self.mirroring.timed()?, self.copies.as_ref()?);
        let mirror = self.site.as_ref().and_then(|(site, _)| site.mirror.as_ref());
        Some(MirrorStatus {
            token: copies.token.clone(),
            release: mirror.map(|mirror| mirror.release().token.clone()),
            until: timed.end().map(|end| end.shown),
            counts: copies.pairs.mirrored(),
        })
    }

    /// What its copies came to, and the slot of the release that they were sent to.
    pub fn mirrored_pairs(&self) -> Option<(Slot, Arc<Pairs>)> {
        self.copies.as_ref().map(|copies| (copies.slot, Arc::clone(&copies.pairs)))
    }
}
