//! Until when something may go on.
//!
//! No timer is armed per request. Each client connection, and each HTTP/2 stream, has one deadline
//! in a `Cell`; the thread's tick looks at all of them and wakes the tasks whose time is up.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;

use super::clock::{Clock, Moment, TICK};

/// The task knows that nothing has happened for a while.
const QUIET: Moment = Moment::START;

/// Until when one task may go on with what it does.
#[derive(Debug)]
pub(super) struct Deadline {
    due: Cell<Moment>,
    /// What every piece that moves earns anew.
    pace: Cell<Option<Duration>>,
    /// When the task is to be woken, once, if nothing has happened by then.
    quiet: Cell<Moment>,
    /// The task; set at its first poll.
    waker: RefCell<Option<Waker>>,
    key: Cell<usize>,
    all: Rc<Deadlines>,
}

impl Deadline {
    /// Allows `limit` from now, and nothing more.
    pub(super) fn allow(&self, limit: Duration) {
        self.due.set(self.all.clock.after(limit));
    }

    /// Allows `limit` from now, and again from everything that [moves](Self::moved).
    pub(super) fn allow_per_byte(&self, limit: Duration) {
        self.pace.set(Some(limit));
        self.allow(limit);
    }

    /// Something has moved, which may allow more time.
    pub(super) fn moved(&self) {
        if let Some(limit) = self.pace.get() {
            self.allow(limit);
        }
    }

    /// Ends the pace, and allows `limit` from now, or any time.
    pub(super) fn restart(&self, limit: Option<Duration>) {
        self.pace.set(None);
        self.quiet.set(Moment::NEVER);
        self.due.set(limit.map_or(Moment::NEVER, |limit| self.all.clock.after(limit)));
    }

    /// `work`, if it is done within `limit`.
    ///
    /// # Cancel safety
    ///
    /// That of `work`.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        self.allow(limit);
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.remember(cx.waker());
            match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if self.is_over() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// When it passes.
    pub(super) fn due(&self) -> Moment {
        self.due.get()
    }

    /// Lets it pass now.
    pub(super) fn end(&self) {
        self.due.set(Moment::default());
        self.wake();
    }

    /// Wakes the task, once, if it is not [restarted](Self::restart) within the next tick.
    pub(super) fn look_again(&self) {
        self.quiet.set(self.all.clock.after(TICK));
    }

    /// Whether the task was woken for that.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.get() == QUIET
    }

    /// What is to be done at the present tick.
    fn tick(&self, now: Moment) {
        let quiet = self.quiet.get() != QUIET && now >= self.quiet.get();
        if quiet {
            self.quiet.set(QUIET);
        }
        if quiet || now >= self.due.get() {
            self.wake();
        }
    }

    /// Whether it has passed.
    pub(super) fn is_over(&self) -> bool {
        self.all.clock.now() >= self.due.get()
    }

    /// Remembers the task to wake.
    pub(super) fn remember(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Wakes the task.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// A deadline that is watched until this is dropped.
#[derive(Debug)]
pub(super) struct Watched(Rc<Deadline>);

impl Watched {
    /// The deadline.
    pub(super) fn deadline(&self) -> &Rc<Deadline> {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.all.watched.borrow_mut().remove(self.0.key.get());
    }
}

/// All deadlines of a thread.
#[derive(Debug)]
pub(super) struct Deadlines {
    clock: Rc<Clock>,
    watched: RefCell<Slab<Rc<Deadline>>>,
}

impl Deadlines {
    /// None yet.
    pub(super) fn new(clock: Rc<Clock>) -> Rc<Self> {
        Rc::new(Self { clock, watched: RefCell::default() })
    }

    /// Watches a new deadline, `limit` from now or never.
    pub(super) fn watch(self: &Rc<Self>, limit: Option<Duration>) -> Watched {
        let deadline = Rc::new(Deadline {
            due: Cell::new(limit.map_or(Moment::NEVER, |limit| self.clock.after(limit))),
            pace: Cell::new(None),
            quiet: Cell::new(Moment::NEVER),
            waker: RefCell::new(None),
            key: Cell::new(0),
            all: Rc::clone(self),
        });
        let key = self.watched.borrow_mut().insert(Rc::clone(&deadline));
        deadline.key.set(key);
        Watched(deadline)
    }

    /// Wakes every task whose deadline has passed, and those that have become quiet.
    pub(super) fn tick(&self) {
        let now = self.clock.now();
        self.watched.borrow().iter().for_each(|(_, deadline)| deadline.tick(now));
    }

    /// Wakes every task.
    pub(super) fn wake_all(&self) {
        self.watched.borrow().iter().for_each(|(_, deadline)| deadline.wake());
    }
}
