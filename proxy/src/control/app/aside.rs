//! A release that requests reach beside those of the app: in an epoch of its own, so that it neither
//! keeps a drain of the app's waiting nor is moved by a flip.

use std::sync::Arc;

use crate::metrics::Meters;
use crate::route::{Epoch, Line, Release, Share};

/// A release that requests reach beside those of the app, and what is kept while it changes.
#[derive(Debug)]
pub(super) struct Aside {
    /// Where they wait for a place on a target: not in line with visitors.
    line: Arc<Line>,
    /// What is counted of them.
    meters: Arc<Meters>,
    /// The release under probes, and the epoch for it.
    shown: Option<(Arc<Release>, Arc<Epoch>)>,
}

impl Aside {
    /// No release yet, for `threads` data threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { line: Arc::default(), meters: Arc::new(Meters::new(threads)), shown: None }
    }

    /// What is counted.
    pub(super) fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }

    /// Shows `release`, which is under probes, or none. Returns its epoch, and the release that was
    /// shown before if that is another.
    pub(super) fn show(
        &mut self,
        release: Option<&Arc<Release>>,
        threads: usize,
    ) -> (Option<Arc<Epoch>>, Option<Arc<Release>>) {
        if let (Some((known, epoch)), Some(release)) = (&self.shown, release)
            && Arc::ptr_eq(known, release)
        {
            return (Some(Arc::clone(epoch)), None);
        }
        let new = release.map(|release| {
            let own = Arc::new(release.previewed(&self.line, &self.meters));
            let share = Share { release: own, percent: 100 };
            (Arc::clone(release), Arc::new(Epoch::new(vec![share], threads)))
        });
        let epoch = new.as_ref().map(|(_, epoch)| Arc::clone(epoch));
        let old = std::mem::replace(&mut self.shown, new);
        let own = |(_, epoch): (_, Arc<Epoch>)| Some(Arc::clone(&epoch.shares().first()?.release));
        (epoch, old.and_then(own))
    }
}
