//! What requests find of an app: made anew when something of it changes, and only then.

use std::sync::Arc;

use shunt_config::{Slot, route};

use super::{AppRun, Context};
use crate::control::served::Put;
use crate::route::router::Change;
use crate::route::{Division, Epoch, Front, Share, Site, Stop, Visitors};

impl AppRun {
    /// The site as it must be now, if that is not the one published.
    pub(super) fn change(&mut self, context: &Context) -> Option<Change> {
        if self.state.served().is_none() {
            self.end_previews();
            self.end_copies();
            return self.site.take().map(|_| Change::Remove(self.name.clone()));
        }
        let hold = self.hold_now();
        let present = self.site.as_ref().and_then(|(site, _)| site.hold.as_ref());
        let same_hold = same(present, hold.as_ref());
        // With the epoch closes the way that requests may be on that have not seen the hold yet.
        let fresh = hold.is_some() && !same_hold;
        let epoch = self.epoch_now(context, fresh);
        let preview = self.preview_now(context);
        let mirror = self.mirror_now(context);
        let served = self.state.served()?;
        if let Some((site, settings)) = &self.site
            && *settings == served.settings.token
            && same_hold
            && same(site.epoch.as_ref(), epoch.as_ref())
            && same(site.preview.as_ref(), preview.as_ref())
            && same(site.mirror.as_ref(), mirror.as_ref())
        {
            return None;
        }
        if hold.as_ref().is_some_and(|hold| hold.stop == Stop::Wait) {
            self.hall.shut();
        }
        let site = Arc::new(Site {
            app: self.name.clone(),
            routes: route::routes(&served.settings.value),
            strip_prefix: served.settings.value.strip_prefix,
            front: Front::of(&served.settings.value),
            hold,
            epoch,
            preview,
            mirror,
        });
        self.site = Some((Arc::clone(&site), served.settings.token.clone()));
        Some(Change::Put(site))
    }

    /// The present epoch if its shares are still right, otherwise a new one, or if a `fresh` one is
    /// wanted.
    fn epoch_now(&mut self, context: &Context, fresh: bool) -> Option<Arc<Epoch>> {
        let served = self.state.served()?;
        let flip = served.flip.as_ref()?;
        let share = |(slot, put): &(Slot, Put<_>)| {
            let live = self.lives.iter().find(|live| *live.token() == put.token)?;
            let percent = flip.active.value.share(*slot);
            Some(Share { release: Arc::clone(&live.release), percent })
        };
        let mut shares: Vec<Share> = flip.releases.iter().filter_map(share).collect();
        let division = (shares.len() > 1).then(|| {
            let new = || Arc::new(Visitors::of(&self.name, &context.cookie_key));
            Division::of(&served.settings.value, self.visitors.get_or_insert_with(new))
        });
        if !shares.is_empty() {
            shares.extend(self.kept_shares());
        }
        let equal = |(a, b): (&Share, &Share)| {
            Arc::ptr_eq(&a.release, &b.release) && a.percent == b.percent
        };
        let present = self.epoch().filter(|epoch| {
            !fresh
                && epoch.shares().len() == shares.len()
                && epoch.shares().iter().zip(&shares).all(equal)
                && epoch.division() == division.as_ref()
        });
        if present.is_some() || shares.is_empty() {
            return present.cloned();
        }
        let epoch = Epoch::new(shares, context.threads);
        Some(Arc::new(match division {
            Some(division) => epoch.divided(division),
            None => epoch,
        }))
    }
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
