//! An app's previews as they run: an epoch of its own for the proved release of each slot.

use std::sync::Arc;

use shunt_config::{Slot, Token};

use super::super::live::Live;
use super::aside::Aside;
use super::{AppRun, Context};
use crate::metrics::Meters;
use crate::route::preview::{Preview, Shown};

/// What an app's previews keep while their releases change, by slot.
#[derive(Debug)]
pub(super) struct Previews([Aside; 2]);

impl AppRun {
    /// What is reached beside the app's own requests: as it is published if that is still right.
    pub(super) fn preview_now(&mut self, context: &Context) -> Option<Arc<Preview>> {
        let settings = self.state.served().map(|served| served.settings.clone());
        let Some(settings) = settings.filter(|settings| settings.value.preview.is_some()) else {
            self.end_previews();
            return None;
        };
        let threads = context.threads;
        let previews = self
            .previews
            .get_or_insert_with(|| Box::new(Previews([Aside::new(threads), Aside::new(threads)])));
        let shown = Slot::BOTH.map(|slot| {
            // The one that was announced last is the last here.
            let of_slot = || self.lives.iter().rev().filter(|live| live.release.slot == slot);
            let proved = of_slot().find(|live| live.was_proved()).map(|live: &Live| &live.release);
            let (epoch, replaced) = previews.0[slot as usize].show(proved, threads);
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
        for aside in &mut previews.0 {
            let (_, replaced) = aside.show(None, 0);
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
    pub fn preview_meters(&self) -> Option<[Arc<Meters>; 2]> {
        self.previews.as_ref().map(|previews| previews.0.each_ref().map(Aside::meters))
    }
}
