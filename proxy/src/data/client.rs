//! One client connection: what it is doing and until when it may.
//!
//! No timer is armed per request. Each connection has one deadline in a `Cell`; the thread's tick
//! looks at all of them and wakes the tasks whose time is up.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::clock::{Clock, Moment};

/// What a client connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing, between requests.
    Idle,
    /// Sending a request head.
    Head,
    /// Waiting for an answer, or taking it.
    Exchange,
}

/// One client connection.
#[derive(Debug)]
pub(super) struct Client {
    /// The client's address.
    pub(super) peer: SocketAddr,
    stage: Cell<Stage>,
    due: Cell<Moment>,
    /// What every byte the client takes earns it anew, while it is being answered.
    pace: Cell<Option<Duration>>,
    clock: Rc<Clock>,
    idle: Duration,
    head: Duration,
    /// The connection's task; set at its first poll.
    waker: RefCell<Option<Waker>>,
}

impl Client {
    /// A request head has begun, unless one is already known of.
    pub(super) fn head_began(&self) {
        if self.stage.get() == Stage::Idle {
            self.enter(Stage::Head, Some(self.head));
        }
    }

    /// A request was read; its deadlines are set by whoever works on it.
    pub(super) fn exchange_began(&self) {
        self.enter(Stage::Exchange, None);
    }

    /// The answer is over.
    pub(super) fn exchange_over(&self) {
        self.enter(Stage::Idle, Some(self.idle));
    }

    fn enter(&self, stage: Stage, limit: Option<Duration>) {
        self.stage.set(stage);
        self.pace.set(None);
        self.due.set(limit.map_or(Moment::NEVER, |limit| self.clock.after(limit)));
    }

    /// Allows the present stage `limit` from now.
    pub(super) fn allow(&self, limit: Duration) {
        self.due.set(self.clock.after(limit));
    }

    /// Allows `limit` from now, and again from every byte that the client takes: what is buffered
    /// for a slow client moves although nothing new comes from the target.
    pub(super) fn allow_per_byte(&self, limit: Duration) {
        self.pace.set(Some(limit));
        self.allow(limit);
    }

    /// The client has taken some bytes.
    pub(super) fn took(&self) {
        match (self.stage.get(), self.pace.get()) {
            // The end of an answer may still be on its way.
            (Stage::Idle, _) => self.allow(self.idle),
            (Stage::Exchange, Some(limit)) => self.allow(limit),
            _ => {}
        }
    }

    /// Allows the present stage any time.
    pub(super) fn allow_any(&self) {
        self.due.set(Moment::NEVER);
    }

    /// Whether the deadline has passed.
    pub(super) fn is_overdue(&self) -> bool {
        self.clock.now() >= self.due.get()
    }

    /// Whether the deadline has passed with no request to answer: the connection just ends.
    pub(super) fn is_idle_overdue(&self) -> bool {
        self.stage.get() != Stage::Exchange && self.is_overdue()
    }

    /// Remembers the connection's task.
    pub(super) fn remember(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// All client connections of a thread.
#[derive(Debug)]
pub(super) struct Clients {
    clock: Rc<Clock>,
    idle: Duration,
    head: Duration,
    all: RefCell<Slab<Rc<Client>>>,
    /// Told when the last one is gone.
    empty: Notify,
}

impl Clients {
    /// None yet. `idle` and `head` are the limits of those two stages.
    pub(super) fn new(clock: Rc<Clock>, idle: Duration, head: Duration) -> Self {
        Self { clock, idle, head, all: RefCell::default(), empty: Notify::new() }
    }

    /// A new connection from `peer`. The first request head has the time of a head, not of an idle
    /// connection: a client that connects and says nothing is not one between requests.
    pub(super) fn admit(self: &Rc<Self>, peer: SocketAddr) -> Admitted {
        let client = Rc::new(Client {
            peer,
            stage: Cell::new(Stage::Idle),
            due: Cell::new(self.clock.after(self.head)),
            pace: Cell::new(None),
            clock: Rc::clone(&self.clock),
            idle: self.idle,
            head: self.head,
            waker: RefCell::new(None),
        });
        let key = self.all.borrow_mut().insert(Rc::clone(&client));
        Admitted { client, key, clients: Rc::clone(self) }
    }

    /// Wakes every connection whose deadline has passed.
    pub(super) fn wake_overdue(&self) {
        self.all.borrow().iter().filter(|(_, c)| c.is_overdue()).for_each(|(_, c)| c.wake());
    }

    /// Wakes every connection.
    pub(super) fn wake_all(&self) {
        self.all.borrow().iter().for_each(|(_, client)| client.wake());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.borrow().len()
    }

    /// Waits until there is none.
    pub(super) async fn gone(&self) {
        while self.len() > 0 {
            self.empty.notified().await;
        }
    }
}

/// A connection's place among its thread's; given up when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The connection.
    pub(super) client: Rc<Client>,
    key: usize,
    clients: Rc<Clients>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut all = self.clients.all.borrow_mut();
        all.remove(self.key);
        if all.is_empty() {
            self.clients.empty.notify_one();
        }
    }
}
