//! An app's previews as they run: an epoch of its own for the proved release of each slot.

use std::sync::Arc;

use shunt_config::{Slot, Token};

use super::super::live::Live;
use super::{AppRun, Context};
use crate::metrics::Meters;
use crate::route::preview::{Preview, Shown};
use crate::route::{Epoch, Line, Release, Share};

/// What an app's previews keep while their releases change.
#[derive(Debug)]
pub(super) struct Previews {
    /// Where previews of each slot wait for a place on a target: not in line with visitors.
    lines: [Arc<Line>; 2],
    /// What is counted of each slot's.
    meters: [Arc<Meters>; 2],
    /// The release under probes that is shown of each slot, and the epoch for it.
    shown: [Option<(Arc<Release>, Arc<Epoch>)>; 2],
}

impl Previews {
    fn new(threads: usize) -> Self {
        let meters = || Arc::new(Meters::new(threads));
        Self { lines: Default::default(), meters: [meters(), meters()], shown: [None, None] }
    }

    /// What was counted of each slot's previews.
    pub(super) fn meters(&self) -> &[Arc<Meters>; 2] {
        &self.meters
    }

    /// Shows `release`, which is under probes, as that of `slot`, or none. Returns its epoch, and the
    /// release that was shown before if that is another.
    fn show(
        &mut self,
        slot: Slot,
        release: Option<&Arc<Release>>,
        threads: usize,
    ) -> (Option<Arc<Epoch>>, Option<Arc<Release>>) {
        let at = slot as usize;
        if let (Some((known, epoch)), Some(release)) = (&self.shown[at], release)
            && Arc::ptr_eq(known, release)
        {
            return (Some(Arc::clone(epoch)), None);
        }
        let new = release.map(|release| {
            let own = Arc::new(release.previewed(&self.lines[at], &self.meters[at]));
            let share = Share { release: own, percent: 100 };
            (Arc::clone(release), Arc::new(Epoch::new(vec![share], threads)))
        });
        let epoch = new.as_ref().map(|(_, epoch)| Arc::clone(epoch));
        let old = std::mem::replace(&mut self.shown[at], new);
        let own = |(_, epoch): (_, Arc<Epoch>)| Some(Arc::clone(&epoch.shares().first()?.release));
        (epoch, old.and_then(own))
    }
}

impl AppRun {
    /// What is reached beside the app's own requests: as it is published if that is still right.
    pub(super) fn preview_now(&mut self, context: &Context) -> Option<Arc<Preview>> {
        let settings = self.state.served().map(|served| served.settings.clone());
        let Some(settings) = settings.filter(|settings| settings.value.preview.is_some()) else {
            self.end_previews();
            return None;
        };
        let threads = context.threads;
        let previews = self.previews.get_or_insert_with(|| Box::new(Previews::new(threads)));
        let shown = Slot::BOTH.map(|slot| {
            // The one that was announced last is the last here.
            let of_slot = || self.lives.iter().rev().filter(|live| live.release.slot == slot);
            let proved = of_slot().find(|live| live.was_proved()).map(|live: &Live| &live.release);
            let (epoch, replaced) = previews.show(slot, proved, threads);
            if let Some(release) = replaced {
                self.drain.leave_preview(release);
            }
            match epoch {
                Some(epoch) => Shown::Release(epoch),
                None => of_slot()
                    .next()
                    .map_or(Shown::Nothing, |live| Shown::Unproved(live.token().clone())),
            }
        });
        if let Some((site, token)) = &self.site
            && let Some(present) = &site.preview
            && *token == settings.token
            && present.shows(&shown)
        {
            return Some(Arc::clone(present));
        }
        Preview::of(&self.name, &settings.value, shown).map(Arc::new)
    }

    /// Lets go of what previews had.
    pub(super) fn end_previews(&mut self) {
        let Some(mut previews) = self.previews.take() else { return };
        for slot in Slot::BOTH {
            let (_, replaced) = previews.show(slot, None, 0);
            if let Some(release) = replaced {
                self.drain.leave_preview(release);
            }
        }
    }

    /// The releases that previews reach.
    pub(super) fn previewed(&self) -> Vec<Token> {
        let preview = self.site.as_ref().and_then(|(site, _)| site.preview.as_ref());
        let epochs = preview.into_iter().flat_map(|preview| preview.epochs());
        epochs.flat_map(|epoch| epoch.shares()).map(|share| share.release.token.clone()).collect()
    }

    /// What was counted of each slot's previews, if there are any.
    pub fn preview_meters(&self) -> Option<&[Arc<Meters>; 2]> {
        self.previews.as_ref().map(|previews| previews.meters())
    }
}
