//! The epochs a thread has met, and for each announcement its connections and its choice among the
//! targets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::balance::{Asker, Balancer};
use super::pool::{Kept, Pool};
use crate::route::{Epoch, Release};

/// What a thread has met. It is looked through for what is over when it has doubled, not at every
/// sweep: a thread that has met thousands of apps must not go to all of them twice a second.
#[derive(Debug)]
pub(super) struct Met {
    thread: usize,
    /// By address of the epoch, which `LocalEpoch` keeps alive, so none is used twice.
    epochs: RefCell<FxHashMap<usize, Rc<LocalEpoch>>>,
    /// By the release's id. An announcement outlives its epochs, and so do its connections.
    releases: RefCell<FxHashMap<u64, Rc<LocalRelease>>>,
    /// How many epochs there may be until those that are closed are looked for.
    most: Cell<usize>,
    kept: Rc<Kept>,
}

/// An epoch a thread has met.
#[derive(Debug)]
pub(super) struct LocalEpoch {
    pub(super) epoch: Arc<Epoch>,
    pub(super) releases: Vec<Rc<LocalRelease>>,
    /// Requests this thread has claimed, for the shares.
    nth: Cell<usize>,
}

/// An announcement a thread has sent requests to.
#[derive(Debug)]
pub(super) struct LocalRelease {
    /// The announcement.
    pub(super) release: Arc<Release>,
    /// How requests are spread over its targets.
    pub(super) balancer: Balancer,
    /// Kept connections by target.
    pools: Vec<Rc<Pool>>,
}

/// Epochs that are never worth looking through.
const FEW: usize = 32;

impl Met {
    /// Nothing yet, on data thread `thread`. Connections count among what is `kept`.
    pub(super) fn new(thread: usize, kept: &Rc<Kept>) -> Self {
        let (epochs, releases) = Default::default();
        Self { thread, epochs, releases, most: Cell::new(FEW), kept: Rc::clone(kept) }
    }

    /// What the thread has of `epoch`.
    pub(super) fn epoch(&self, epoch: &Arc<Epoch>) -> Rc<LocalEpoch> {
        let key = Arc::as_ptr(epoch).addr();
        if let Some(known) = self.epochs.borrow().get(&key) {
            return Rc::clone(known);
        }
        if self.epochs.borrow().len() >= self.most.get() {
            self.forget();
        }
        let met = Rc::new(LocalEpoch {
            epoch: Arc::clone(epoch),
            releases: epoch.shares().iter().map(|share| self.release(&share.release)).collect(),
            nth: Cell::new(self.thread),
        });
        self.epochs.borrow_mut().insert(key, Rc::clone(&met));
        met
    }

    fn release(&self, release: &Arc<Release>) -> Rc<LocalRelease> {
        let new = || Rc::new(LocalRelease::new(release, self.thread, &self.kept));
        Rc::clone(self.releases.borrow_mut().entry(release.id).or_insert_with(new))
    }

    fn forget(&self) {
        let mut epochs = self.epochs.borrow_mut();
        epochs.retain(|_, epoch| !epoch.epoch.is_closed());
        self.releases.borrow_mut().retain(|_, local| !local.release.is_retired());
        self.most.set((epochs.len() * 2).max(FEW));
    }
}

impl LocalEpoch {
    /// The number of the next request of this thread.
    pub(super) fn turn(&self) -> usize {
        let nth = self.nth.get();
        self.nth.set(nth.wrapping_add(1));
        nth
    }

    /// The share that the request of `asker` goes to.
    pub(super) fn share(&self, asker: &Asker<'_>) -> usize {
        if !self.epoch.is_split() {
            return 0;
        }
        let (headers, address) = (&asker.head.headers, asker.client.address);
        let belongs = self.epoch.belongs(headers, address, &asker.drawn);
        belongs.unwrap_or_else(|| self.epoch.pick(self.turn()))
    }
}

impl LocalRelease {
    fn new(release: &Arc<Release>, thread: usize, kept: &Rc<Kept>) -> Self {
        let pool = |_| Rc::new(Pool::new(release, kept));
        Self {
            release: Arc::clone(release),
            pools: release.targets.iter().map(pool).collect(),
            balancer: Balancer::new(release, thread),
        }
    }

    /// Kept connections to target number `target`.
    pub(super) fn pool(&self, target: usize) -> &Rc<Pool> {
        &self.pools[target]
    }
}
