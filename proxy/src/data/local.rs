//! What a data thread keeps for itself: its view of the snapshot, the epochs it has met, and for
//! each announcement its connections and its turn among the targets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::client::Clients;
use super::clock::{Clock, Moment};
use super::deadline::Deadlines;
use super::error::ProxyError;
use super::plane::Seat;
use super::pool::Pool;
use super::tunnels::Tunnels;
use crate::access_log::Lane;
use crate::metrics::ProcessMeters;
use crate::pages::Pages;
use crate::route::router::View;
use crate::route::{Epoch, Front, Release};

/// A data thread's own state.
#[derive(Debug)]
pub(super) struct Local {
    /// Index of the thread.
    pub(super) thread: usize,
    /// Its coarse clock.
    pub(super) clock: Rc<Clock>,
    /// Until when its tasks may go on.
    pub(super) deadlines: Rc<Deadlines>,
    /// Its client connections.
    pub(super) clients: Rc<Clients>,
    /// What belongs to no release.
    pub(super) meters: Arc<ProcessMeters>,
    /// Its tunnels.
    pub(super) tunnels: Tunnels,
    /// The access log, if there is one.
    pub(super) log: Option<Rc<Lane>>,
    /// What errors look like.
    pub(super) pages: Arc<ArcSwap<Pages>>,
    /// The path that is answered whatever the host.
    pub(super) health: Option<Arc<str>>,
    view: RefCell<View>,
    /// By address of the epoch, which `LocalEpoch` keeps alive, so none is used twice.
    epochs: RefCell<FxHashMap<usize, Rc<LocalEpoch>>>,
    /// By the release's id. An announcement outlives its epochs, and so do its connections.
    releases: RefCell<FxHashMap<u64, Rc<LocalRelease>>>,
    /// How long there is until the thread ends, once it is to.
    leaving: Cell<Option<Duration>>,
    left: Notify,
    complained: Cell<Moment>,
}

/// An epoch a thread has met.
#[derive(Debug)]
pub(super) struct LocalEpoch {
    epoch: Arc<Epoch>,
    releases: Vec<Rc<LocalRelease>>,
    /// Requests this thread has claimed, for the shares.
    nth: Cell<usize>,
}

/// An announcement a thread has sent requests to.
#[derive(Debug)]
pub(super) struct LocalRelease {
    /// The announcement.
    pub(super) release: Arc<Release>,
    /// Kept connections by target.
    pub(super) pools: Vec<Pool>,
    turn: RefCell<Turn>,
}

/// Smooth weighted round robin: each turn every target gains its weight, and the one that is
/// furthest ahead is taken and falls back by the sum.
#[derive(Debug)]
struct Turn(Vec<i64>);

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Way {
    /// The release claimed, until dropped.
    pub(super) lease: Lease,
    /// Length of the path prefix to take off.
    pub(super) strip: Option<usize>,
    /// What stands in front of the app.
    pub(super) front: Option<Arc<Front>>,
}

/// A claim on a release: while it lives, the release is not drained.
#[derive(Debug)]
pub(super) struct Lease {
    epoch: Rc<LocalEpoch>,
    share: usize,
    thread: usize,
}

impl Lease {
    /// The release claimed.
    pub(super) fn release(&self) -> &Rc<LocalRelease> {
        &self.epoch.releases[self.share]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.epoch.epoch.end(self.thread, self.share);
    }
}

impl Local {
    /// The state of the thread in `seat`; to be made on that thread.
    pub(super) fn new(seat: &mut Seat) -> Self {
        let clock = Rc::new(Clock::default());
        let deadlines = Deadlines::new(Rc::clone(&clock));
        let clients = Clients::new(Rc::clone(&deadlines), seat.client);
        Self {
            thread: seat.thread,
            clock,
            deadlines,
            clients: Rc::new(clients),
            meters: Arc::clone(&seat.meters),
            tunnels: Tunnels::default(),
            log: seat.log.take().map(Rc::new),
            pages: Arc::clone(&seat.pages),
            health: seat.health.clone(),
            view: RefCell::new(seat.router.view()),
            epochs: RefCell::default(),
            releases: RefCell::default(),
            leaving: Cell::new(None),
            left: Notify::new(),
            complained: Cell::default(),
        }
    }

    /// Finds the app for `host` and `path` and claims a release of it.
    pub(super) fn claim(&self, host: &str, path: &str) -> Result<Way, ProxyError> {
        let mut view = self.view.borrow_mut();
        loop {
            let table = arc_swap::cache::Access::load(&mut *view);
            let found = table.find(host, path).ok_or(ProxyError::UnknownHost)?;
            let epoch = found.site.epoch.as_ref().ok_or(ProxyError::NoRelease)?;
            let strip = found.site.strip_prefix.then(|| found.prefix.as_str().len());
            if let Some(lease) = self.lease(epoch) {
                let front = found.site.front.clone();
                return Ok(Way { lease, strip, front });
            }
            // Refused means closed, and the successor was stored before the close: the next look
            // finds it.
        }
    }

    fn lease(&self, epoch: &Arc<Epoch>) -> Option<Lease> {
        let epoch = self.epoch(epoch);
        let nth = epoch.nth.get();
        let share = epoch.epoch.pick(nth);
        epoch.nth.set(nth.wrapping_add(1));
        let claimed = epoch.epoch.claim(self.thread, share);
        claimed.then(|| Lease { epoch, share, thread: self.thread })
    }

    fn epoch(&self, epoch: &Arc<Epoch>) -> Rc<LocalEpoch> {
        let key = Arc::as_ptr(epoch).addr();
        if let Some(known) = self.epochs.borrow().get(&key) {
            return Rc::clone(known);
        }
        let release = |release: &Arc<Release>| {
            let mut releases = self.releases.borrow_mut();
            let known = releases.entry(release.id);
            Rc::clone(known.or_insert_with(|| Rc::new(LocalRelease::new(release, self.thread))))
        };
        let met = Rc::new(LocalEpoch {
            epoch: Arc::clone(epoch),
            releases: epoch.shares().iter().map(|share| release(&share.release)).collect(),
            nth: Cell::new(self.thread),
        });
        self.epochs.borrow_mut().insert(key, Rc::clone(&met));
        met
    }

    /// Forgets closed epochs, drops the connections of retired releases, and closes connections
    /// that are dead or have been idle for long.
    pub(super) fn sweep(&self) {
        // A thread without requests must not keep an old snapshot alive.
        arc_swap::cache::Access::load(&mut *self.view.borrow_mut());
        self.epochs.borrow_mut().retain(|_, epoch| !epoch.epoch.is_closed());
        let now = self.clock.now();
        self.releases.borrow_mut().retain(|_, local| {
            local.pools.iter().for_each(|pool| pool.sweep(now));
            !local.release.is_retired()
        });
    }

    /// Says that the thread is to end.
    pub(super) fn leave(&self, grace: Duration) {
        self.leaving.set(Some(grace));
        self.left.notify_waiters();
    }

    /// Whether the thread is to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// Gives the tunnels their orders, and the log what there is for it.
    pub(super) fn tick(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
        self.tunnels.tick(self, self.leaving.get());
    }

    /// Waits until the thread is to end.
    pub(super) async fn left(&self) {
        let left = self.left.notified();
        if !self.is_leaving() {
            left.await;
        }
    }

    /// Logs at most once a second per thread: a burst of failures must not become a burst of
    /// writes on a data thread. The counters have them all.
    pub(super) fn complain(&self, log: impl FnOnce()) {
        let now = self.clock.now();
        if now.since(self.complained.get()).as_millis() >= 1000 || now == Moment::default() {
            self.complained.set(now);
            log();
        }
    }
}

impl LocalRelease {
    fn new(release: &Arc<Release>, thread: usize) -> Self {
        let mut turn = Turn(vec![0; release.targets.len()]);
        let pools = release.targets.iter().map(|_| Pool::default()).collect();
        // Threads begin at different targets, or all would send their first request to the same.
        for _ in 0..thread % release.targets.len() {
            turn.next(|i| Some(i64::from(release.targets[i].weight)));
        }
        Self { release: Arc::clone(release), pools, turn: RefCell::new(turn) }
    }

    /// The index of the next target: usable ones in turn by weight, another than `not` if there
    /// is one. When none is usable, all are tried: taking the last one out would help nobody.
    pub(super) fn pick(&self, not: Option<usize>) -> usize {
        let targets = &self.release.targets;
        let weight = |i: usize| i64::from(targets[i].weight);
        let usable = |i: usize| targets[i].is_usable().then(|| weight(i));
        let other = |i: usize| if Some(i) == not { None } else { usable(i) };
        let mut turn = self.turn.borrow_mut();
        turn.next(other)
            .or_else(|| turn.next(usable))
            .or_else(|| turn.next(|i| (Some(i) != not).then(|| weight(i))))
            .unwrap_or_default()
    }
}

impl Turn {
    /// The next of those that `weight` gives a weight to.
    fn next(&mut self, weight: impl Fn(usize) -> Option<i64>) -> Option<usize> {
        let mut sum = 0;
        let mut best: Option<usize> = None;
        for i in 0..self.0.len() {
            let Some(weight) = weight(i) else { continue };
            sum += weight;
            self.0[i] += weight;
            if best.is_none_or(|best| self.0[i] > self.0[best]) {
                best = Some(i);
            }
        }
        self.0[best?] -= sum;
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_by_weight_and_spread_evenly() {
        let weights = [1, 2, 1];
        let mut turn = Turn(vec![0; 3]);
        let taken: Vec<_> = (0..8).filter_map(|_| turn.next(|i| Some(weights[i]))).collect();
        assert_eq!(taken, [1, 0, 2, 1, 1, 0, 2, 1]);
    }

    #[test]
    fn a_target_left_out_gets_nothing_and_does_not_hoard_turns() {
        let mut turn = Turn(vec![0; 2]);
        assert!((0..9).all(|_| turn.next(|i| (i == 1).then_some(1)) == Some(1)));
        let taken: Vec<_> = (0..4).filter_map(|_| turn.next(|_| Some(1))).collect();
        assert_eq!(taken, [0, 1, 0, 1]);
        assert_eq!(turn.next(|_| None), None);
    }
}
