//! What a data thread keeps for itself: its view of the snapshot, its clients, and what it has met.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use shunt_config::pass::PassKey;
use tokio::sync::Notify;

use super::balance::{Asked, Asker, Place, Wish};
use super::clients::Clients;
use super::clock::{Clock, Moment};
use super::deadline::Deadlines;
use super::error::ProxyError;
use super::met::{LocalEpoch, LocalRelease, Met};
use super::mirror::{Candidate, Copies};
use super::plane::Seat;
use super::pool::Kept;
use super::preview;
use super::tunnels::Tunnels;
use crate::access_log::Lane;
use crate::descriptors;
use crate::metrics::ProcessMeters;
use crate::metrics::process::{Cut, Unrouted};
use crate::pages::Pages;
use crate::route::router::View;
use crate::route::{Epoch, Hold, Mirror, Preview, Stop};

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
    /// Its copies of requests that are under way.
    pub(super) copies: Copies,
    /// The access log, if there is one.
    pub(super) log: Option<Rc<Lane>>,
    /// What errors look like.
    pub(super) pages: Arc<ArcSwap<Pages>>,
    /// What passes to previews are signed with.
    pass_keys: Arc<ArcSwap<Vec<PassKey>>>,
    /// The path that is answered whatever the host.
    pub(super) health: Option<Arc<str>>,
    view: RefCell<View>,
    /// The epochs and announcements that it has met.
    met: Met,
    /// Which of their pools keep connections.
    kept: Rc<Kept>,
    /// How long there is until the thread ends, once it is to.
    leaving: Cell<Option<Duration>>,
    left: Notify,
    complained: Cell<Moment>,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Way {
    /// The release claimed, until dropped.
    pub(super) lease: Lease,
    /// The target chosen, until dropped.
    pub(super) place: Place,
    /// Length of the path prefix to take off.
    pub(super) strip: Option<usize>,
    /// What it is seen by, if it is no request to the app itself.
    pub(super) preview: Option<Arc<Preview>>,
    /// What it may be copied to, if its app is mirrored.
    pub(super) copied: Option<Box<Candidate>>,
}

/// A claim on a release: while it lives, the release is not drained.
#[derive(Debug)]
pub(super) struct Lease {
    epoch: Rc<LocalEpoch>,
    share: usize,
    thread: usize,
    /// The number drawn for the visitor, who is to be told.
    drawn: Option<u16>,
}

impl Lease {
    /// Whether new requests no longer come to the release, and it was claimed before that.
    pub(super) fn is_left(&self) -> bool {
        self.epoch.epoch.is_closed() && !self.release().release.is_admitted()
    }

    /// `Set-Cookie` that tells the visitor which number was drawn, if one was.
    pub(super) fn cookie(&self, secure: bool) -> Option<HeaderValue> {
        let number = self.drawn?;
        self.epoch.epoch.division()?.cookie(number, secure)
    }

    /// The field of the request that has decided which release it is, for caches.
    pub(super) fn varies(&self) -> Option<HeaderValue> {
        self.epoch.epoch.varies().cloned().map(HeaderValue::from)
    }

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
        let clients = Clients::new(Rc::clone(&deadlines), seat.client, Arc::clone(&seat.room));
        let kept = Kept::new((seat.room.most() / seat.connections.len().max(1)).max(1));
        Self {
            thread: seat.thread,
            clock,
            deadlines,
            clients: Rc::new(clients),
            meters: Arc::clone(&seat.meters),
            tunnels: Tunnels::default(),
            copies: Copies::default(),
            log: seat.log.take().map(Rc::new),
            pages: Arc::clone(&seat.pages),
            pass_keys: Arc::clone(&seat.pass_keys),
            health: seat.health.clone(),
            view: RefCell::new(seat.router.view()),
            met: Met::new(seat.thread, &kept),
            kept,
            leaving: Cell::new(None),
            left: Notify::new(),
            complained: Cell::default(),
        }
    }

    /// Finds the app that `asker` is for and claims a release of it, with a place on a target if one
    /// has room. Whoever is not `first` in its app's line leaves the room to those who are before.
    pub(super) fn ask(&self, asker: &Asker<'_>, first: bool) -> Result<Asked, ProxyError> {
        let mut view = self.view.borrow_mut();
        let unrouted = |error, why: Unrouted| -> ProxyError {
            self.meters.unrouted(self.thread, why);
            error
        };
        loop {
            let table = arc_swap::cache::Access::load(&mut *view);
            let found = table.find(asker.host, asker.head.uri.path());
            let found = found.ok_or_else(|| match table.is_unread() {
                true => unrouted(ProxyError::Unread, Unrouted::Unread),
                false => unrouted(ProxyError::UnknownHost, Unrouted::UnknownHost),
            })?;
            let stopped = |error| asker.stopped(&found.site.app, error);
            asker.passes(found.site.front.as_ref(), found.preview.is_some()).map_err(stopped)?;
            let previewed = match &found.site.preview {
                Some(_) => {
                    preview::asked(&found, asker, &self.pass_keys.load()).map_err(stopped)?
                }
                None => None,
            };
            // Whoever looks at a release beside the app's requests does so while these are stopped, too.
            let concerns =
                |hold: &&Arc<Hold>| previewed.is_none() && hold.concerns(asker.client.address);
            if let Some(hold) = found.site.hold.as_ref().filter(concerns) {
                asker.seen.borrow_mut().app = Some(found.site.app.clone());
                return held(hold);
            }
            let epoch = previewed.or(found.site.epoch.as_ref());
            let epoch = epoch
                .ok_or_else(|| stopped(unrouted(ProxyError::NoRelease, Unrouted::NoRelease)))?;
            let strip = found.site.strip_prefix.then(|| found.prefix.as_str().len());
            // Refused means closed, and the successor was stored before the close: the next look
            // finds it.
            let Some(lease) = self.lease(epoch, asker) else { continue };
            let local = lease.release();
            let limited = local.release.spread.max_requests > 0;
            let wish = Wish::of(&local.release, &asker.head.headers, asker.client.address);
            if (!limited || first || local.release.line.waiting() == 0)
                && let Some(place) = Place::find(local, wish, asker.client.secure)
            {
                let preview = previewed.and(found.site.preview.as_ref()).map(Arc::clone);
                let mirror = found.site.mirror.as_ref().filter(|_| previewed.is_none());
                let copied = mirror.and_then(|mirror| Candidate::of(mirror, asker));
                return Ok(Asked::Way(Way { lease, place, strip, preview, copied }));
            }
            // The lease ends here: who waits has no claim on anything.
            return Ok(Asked::Full(Rc::clone(local)));
        }
    }

    /// Waits until half of the time is over that the thread has until it ends.
    pub(super) async fn left_long_ago(&self) {
        self.left().await;
        tokio::time::sleep(self.leaving.get().unwrap_or_default() / 2).await;
    }

    fn lease(&self, epoch: &Arc<Epoch>, asker: &Asker<'_>) -> Option<Lease> {
        let epoch = self.met.epoch(epoch);
        let share = epoch.share(asker);
        let claimed = epoch.epoch.claim(self.thread, share);
        let (thread, drawn) = (self.thread, asker.drawn.get());
        claimed.then(|| Lease { epoch, share, thread, drawn })
    }

    /// Claims the release of `mirror`, if it is the turn of the request that comes next on this thread.
    pub(super) fn turn(&self, mirror: &Mirror) -> Option<Lease> {
        let epoch = self.met.epoch(mirror.epoch());
        let claimed = mirror.is_turn(epoch.turn()) && epoch.epoch.claim(self.thread, 0);
        claimed.then(|| Lease { epoch, share: 0, thread: self.thread, drawn: None })
    }

    /// Drops the connections of retired releases, and closes those that are dead or have been idle
    /// for long.
    pub(super) fn sweep(&self) {
        // A thread without requests must not keep an old snapshot alive.
        arc_swap::cache::Access::load(&mut *self.view.borrow_mut());
        self.kept.sweep(self.clock.now());
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

    /// Ends the connection that has been idle for longest, if one is.
    pub(super) fn make_room(&self) -> bool {
        let made = self.clients.end_oldest_idle(self.clock.now());
        if made {
            self.meters.cut(self.thread, Cut::Idle);
        }
        made
    }

    /// A place for one more connection to a target. Where none is left, the kept connection goes that
    /// nobody has used for longest; it is closed soon, so its place is given away already.
    pub(super) fn target_place(&self) -> Option<descriptors::Place> {
        let places = self.clients.room().target_places();
        places.take_free().or_else(|| self.kept.let_go().then(|| places.take()))
    }

    /// The same if one is free.
    pub(super) fn free_target_place(&self) -> Option<descriptors::Place> {
        self.clients.room().target_places().take_free()
    }

    /// Counts a request for which there was no room for one more connection to a target.
    pub(super) fn no_room(&self) {
        self.meters.no_room(self.thread);
        self.complain(|| {
            tracing::warn!(
                connections = self.clients.room().most_targets(),
                "requests are answered with 503: the limit of file descriptors (LimitNOFILE=, \
                 ulimit -Hn) allows no more connections to targets"
            );
        });
    }

    /// Gives the tunnels their orders, and the log what there is for it; makes room for clients that
    /// another thread waits with.
    pub(super) fn tick(&self) {
        if self.clients.room().is_wanted() {
            self.make_room();
        }
        if let Some(log) = &self.log {
            log.flush();
        }
        self.copies.tick();
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

/// What becomes of a request that `hold` stops.
fn held(hold: &Arc<Hold>) -> Result<Asked, ProxyError> {
    match hold.stop {
        Stop::Wait => Ok(Asked::Held(Arc::clone(hold))),
        Stop::Refuse => {
            hold.hall.refused_late();
            Err(ProxyError::Held(Arc::clone(hold)))
        }
        Stop::Maintenance => {
            hold.hall.refused_in_maintenance();
            Err(ProxyError::Maintenance(Arc::clone(hold)))
        }
    }
}
