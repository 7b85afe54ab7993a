//! The one `ArcSwap` around the table, and the order in which a change goes live.

use std::sync::Arc;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use shunt_config::AppName;

use super::epoch::Epoch;
use super::table::{Site, Table};

/// The routing snapshot of this process. Data threads read it through a [`View`] each; the control
/// plane alone writes it.
#[derive(Debug, Default)]
pub struct Router {
    table: Arc<ArcSwap<Table>>,
}

/// One data thread's look at the snapshot: a pointer compare when nothing changed.
pub type View = Cache<Arc<ArcSwap<Table>>, Arc<Table>>;

/// One app's change.
#[derive(Clone, Debug)]
pub enum Change {
    /// The app as it now stands.
    Put(Arc<Site>),
    /// The app is gone.
    Remove(AppName),
}

impl Change {
    fn app(&self) -> &AppName {
        match self {
            Self::Put(site) => &site.app,
            Self::Remove(app) => app,
        }
    }
}

/// Says of the releases of `epoch` whether new requests come to them.
fn admit(epoch: &Epoch, admitted: bool) {
    epoch.shares().iter().for_each(|share| share.release.set_admitted(admitted));
}

impl Router {
    /// A look of one data thread's own.
    pub fn view(&self) -> View {
        Cache::new(Arc::clone(&self.table))
    }

    /// The snapshot as it stands.
    pub fn load(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    /// Says whether there may be apps that this proxy has not heard of. For the one writer, too.
    pub fn set_unread(&self, unread: bool) {
        let mut table = Table::clone(&self.table.load());
        table.unread = unread;
        self.table.store(Arc::new(table));
    }

    /// Makes `changes` live together and returns the epochs they replaced, closed.
    ///
    /// The successor is stored before any epoch is closed: a claim refused by a closed epoch always
    /// finds the successor. An epoch that goes on under changed routes stays open. Those of copies are
    /// closed, too, and not returned: what is under way on them is dropped.
    ///
    /// One writer: the control task. Two at once would lose one's changes.
    pub fn publish(&self, changes: Vec<Change>) -> Vec<Arc<Epoch>> {
        let mut table = Table::clone(&self.table.load());
        let mut replaced = Vec::new();
        let apps: Vec<_> = changes.iter().map(Change::app).cloned().collect();
        for change in changes {
            let old = match change {
                Change::Put(site) => table.insert(site),
                Change::Remove(app) => table.remove(&app),
            };
            replaced.extend(old);
        }
        let copied: Vec<_> = replaced
            .iter()
            .filter_map(|old| Some((&old.app, old.mirror.as_ref()?.epoch())))
            .filter(|(app, epoch)| {
                let now = table.site(app).and_then(|site| site.mirror.as_ref());
                !now.is_some_and(|now| Arc::ptr_eq(now.epoch(), epoch))
            })
            .map(|(_, epoch)| Arc::clone(epoch))
            .collect();
        let closing: Vec<_> = replaced
            .iter()
            .flat_map(|old| old.epochs().map(|epoch| (&old.app, epoch)))
            .filter(|(app, epoch)| {
                let mut going_on = table.site(app).into_iter().flat_map(|site| site.epochs());
                !going_on.any(|now| Arc::ptr_eq(now, epoch))
            })
            .map(|(_, epoch)| Arc::clone(epoch))
            .collect();
        // What is held may be asked by some all the same, and its tunnels are asked to end.
        let free = |app: &AppName| table.site(app).filter(|site| site.hold.is_none());
        let open = |app: &AppName| free(app)?.epoch.clone();
        let opened: Vec<_> = apps.iter().filter_map(open).collect();
        self.table.store(Arc::new(table));
        for epoch in &copied {
            epoch.close();
        }
        for epoch in &closing {
            epoch.close();
            admit(epoch, false);
        }
        // After the closed ones: a release may be in both.
        for epoch in &opened {
            admit(epoch, true);
        }
        closing
    }
}
