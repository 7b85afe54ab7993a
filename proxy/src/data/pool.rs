//! Kept connections to one target, on one thread, for one announcement.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::clock::{Clock, Moment};
use super::upstream::{Sharing, Upstream, http1, http2};
use crate::reach::Stream;
use crate::route::Release;

/// Longer than this no connection is kept idle: Node.js closes its own after 5 s, and the one that
/// closes first must be us.
const KEEP: Duration = Duration::from_secs(4);
/// A request that must not be sent twice takes only a connection used this short a time ago: a
/// target that closes idle connections had no time to.
const FRESH: Duration = Duration::from_secs(1);
/// Connections kept per target and thread; more are closed after use.
const MOST: usize = 1024;

/// Connections to one target.
#[derive(Debug)]
pub(super) struct Pool {
    /// Those of HTTP/1.1 that nobody uses, the one used last at the back.
    idle: RefCell<VecDeque<Idle>>,
    /// Those of HTTP/2.
    shared: Sharing,
    release: Arc<Release>,
    /// Whether `kept` knows of it.
    swept: Cell<bool>,
    kept: Rc<Kept>,
}

#[derive(Debug)]
struct Idle {
    upstream: Box<http1::Upstream>,
    since: Moment,
    _place: Place,
}

/// Which pools of a thread keep connections, and how many: each is a descriptor that nobody uses.
#[derive(Debug)]
pub(super) struct Kept {
    count: Cell<usize>,
    most: usize,
    pools: RefCell<Vec<Weak<Pool>>>,
}

impl Kept {
    /// Room for `most`.
    pub(super) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { count: Cell::new(0), most, pools: RefCell::default() })
    }

    fn place(self: &Rc<Self>) -> Option<Place> {
        let count = self.count.get();
        (count < self.most).then(|| {
            self.count.set(count + 1);
            Place(Rc::clone(self))
        })
    }

    /// Closes connections of retired releases, and those that are dead or idle for too long.
    pub(super) fn sweep(&self, now: Moment) {
        let sweep = |pool: &Weak<Pool>| pool.upgrade().is_some_and(|pool| pool.sweep(now));
        self.pools.borrow_mut().retain(sweep);
    }

    /// Closes the connection that has been idle for longest, if there is one.
    pub(super) fn let_go(&self) -> bool {
        let pools = self.pools.borrow();
        let idle = pools.iter().filter_map(Weak::upgrade);
        let oldest = idle.filter_map(|pool| Some((pool.oldest()?, pool)));
        let oldest = oldest.min_by_key(|(since, _)| *since);
        oldest.inspect(|(_, pool)| pool.let_go()).is_some()
    }
}

/// A kept connection's place, until dropped.
#[derive(Debug)]
struct Place(Rc<Kept>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
    }
}

impl Pool {
    /// Nothing yet of `release`. What it keeps counts among what is `kept`.
    pub(super) fn new(release: &Arc<Release>, kept: &Rc<Kept>) -> Self {
        let (idle, shared, swept) = Default::default();
        Self { idle, shared, release: Arc::clone(release), swept, kept: Rc::clone(kept) }
    }

    /// A place on a shared connection, or the connection used last, if it was used lately enough and
    /// nothing has come on it since.
    ///
    /// A request that is `repeatable` gets a second try should it be dead all the same.
    pub(super) fn take(
        &self,
        clock: &Clock,
        repeatable: bool,
        cx: &mut Context<'_>,
    ) -> Option<Upstream> {
        if let Some(shared) = self.shared.take(clock) {
            return Some(Upstream::Http2(shared));
        }
        let oldest = if repeatable { KEEP } else { FRESH };
        let mut idle = self.idle.borrow_mut();
        // When the last one is too old, all are.
        while idle.back().is_some_and(|last| clock.now().since(last.since) <= oldest) {
            let upstream = idle.pop_back()?.upstream;
            if upstream.is_alive(cx) {
                return Some(Upstream::Http1(upstream));
            }
        }
        None
    }

    /// Keeps a connection whose last answer is over, if its target means to `keep` it and it can take
    /// another request.
    pub(super) fn put(self: &Rc<Self>, clock: &Clock, upstream: Upstream, keep: bool) {
        // What is shared stays where it is.
        let Upstream::Http1(upstream) = upstream else { return };
        if !keep || !upstream.is_reusable() {
            upstream.leave();
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST
            && let Some(place) = self.kept.place()
        {
            idle.push_back(Idle { upstream, since: clock.now(), _place: place });
            self.is_to_be_swept();
        }
    }

    /// A place on a shared connection, which is made by `connect` if none has room.
    pub(super) async fn make(
        self: &Rc<Self>,
        clock: &Clock,
        connect: impl AsyncFnOnce() -> io::Result<Stream>,
    ) -> io::Result<http2::Upstream> {
        self.is_to_be_swept();
        self.shared.make(clock, connect).await
    }

    fn is_to_be_swept(self: &Rc<Self>) {
        if !self.swept.replace(true) {
            self.kept.pools.borrow_mut().push(Rc::downgrade(self));
        }
    }

    /// Since when nobody has used the connection that is idle for longest, if one is.
    fn oldest(&self) -> Option<Moment> {
        let own = self.idle.borrow().front().map(|kept| kept.since);
        own.or_else(|| self.shared.oldest())
    }

    /// Closes that connection.
    fn let_go(&self) {
        if self.idle.borrow_mut().pop_front().is_none() {
            self.shared.let_go();
        }
    }

    /// Closes connections that are dead or idle for too long, all of them if nothing admits the release
    /// any more; whether there may be others.
    fn sweep(&self, now: Moment) -> bool {
        let (mut idle, retired) = (self.idle.borrow_mut(), self.release.is_retired());
        let mut cx = Context::from_waker(Waker::noop());
        idle.retain(|kept| {
            !retired && now.since(kept.since) <= KEEP && kept.upstream.is_alive(&mut cx)
        });
        if idle.is_empty() {
            // What once was a burst.
            idle.shrink_to_fit();
        }
        let shared = self.shared.sweep(now, retired);
        self.swept.set(shared || !idle.is_empty());
        self.swept.get()
    }
}
