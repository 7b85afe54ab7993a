//! One client connection: what it is doing and until when it may.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::clock::Moment;
use super::deadline::{Deadline, Deadlines, Watched};
use super::per_address::Held;
use super::plane::ClientLimits;
use super::room::Room;
use super::upgrade::Upgraded;
use crate::descriptors::Place;
use crate::proxy_protocol::Addresses;

/// How long a client on HTTP/2 has to go, once it was told to and nothing runs for it: time for its
/// word that it has heard, so that a request which was already under way is answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a client is not ended for being idle: its next request may be on its way.
const SPARED: Duration = Duration::from_secs(1);

/// What a client connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing, between requests.
    Idle,
    /// Sending a request head.
    Head,
    /// Waiting for an answer, or taking it. HTTP/2 may do so several times at once.
    Exchange,
}

/// One client connection.
#[derive(Debug)]
pub(super) struct Client {
    address: Cell<SocketAddr>,
    /// Where it connected to.
    to: Option<SocketAddr>,
    stage: Cell<Stage>,
    /// Requests so far.
    served: Cell<u32>,
    /// Exchanges now open: at most one on HTTP/1.1.
    open: Cell<u32>,
    /// Whether it has not taken all that was written to it.
    blocked: Cell<bool>,
    /// Whether an answer waits until it has.
    waited_for: Cell<bool>,
    /// Whether a request had trailers.
    trailers: Cell<bool>,
    /// Whether it was told to go.
    leaving: Cell<bool>,
    watched: Watched,
    limits: ClientLimits,
    /// Its place among those of its address, where these are counted.
    held: RefCell<Option<Held>>,
    /// What this connection turns into when its last answer is written.
    upgraded: RefCell<Option<Upgraded>>,
}

impl Client {
    /// Until when the connection may go on with what it does. On HTTP/1.1 that is the one
    /// exchange's deadline, too.
    pub(super) fn deadline(&self) -> &Rc<Deadline> {
        self.watched.deadline()
    }

    /// The client's address, as far as it is known.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.get()
    }

    /// Both ends of the connection, to be told to targets; `None` where the near one is not known.
    pub(super) fn ends(&self) -> Option<Addresses> {
        self.to.map(|destination| Addresses { source: self.address(), destination })
    }

    /// A proxy in front, whose connection this is, has said who the client is.
    pub(super) fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
    }

    /// For how long nothing has been under way; `None` while something is, and once it is to end.
    fn idle_for(&self, now: Moment) -> Option<Duration> {
        let due = self.deadline().due();
        if self.stage.get() != Stage::Idle || now >= due {
            return None;
        }
        // Its time began when it became idle.
        let first = self.served.get() == 0;
        let time = if first { self.limits.client.head } else { self.limits.client.idle };
        Some(time.saturating_sub(due.since(now)))
    }

    /// A request had trailers.
    pub(super) fn trailers_came(&self) {
        self.trailers.set(true);
    }

    /// Whether nothing that follows on a connection of HTTP/1.1 is to be taken for a request: hyper
    /// lets a bare LF end a line of trailers, where others may see more trailers (RFC 9112 2.2).
    pub(super) fn is_ambiguous(&self) -> bool {
        self.trailers.get()
    }

    /// What a client may take and cost.
    pub(super) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    /// A request head has begun, unless one is already known of.
    pub(super) fn head_began(&self) {
        if self.stage.get() == Stage::Idle {
            self.stage.set(Stage::Head);
            self.deadline().restart(Some(self.hurried(self.limits.client.head)));
        }
    }

    /// A request was read; its deadlines are set by whoever works on it.
    pub(super) fn exchange_began(&self) {
        self.served.set(self.served.get().saturating_add(1));
        self.open.set(self.open.get() + 1);
        self.stage.set(Stage::Exchange);
        self.deadline().restart(None);
    }

    /// Whether this connection has had as many requests as one may have.
    pub(super) fn is_used_up(&self) -> bool {
        let most = self.limits.client.requests;
        most > 0 && self.served.get() >= most
    }

    /// An answer is over, or will never come.
    pub(super) fn exchange_over(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.stage.set(Stage::Idle);
            self.deadline().restart(Some(self.hurried(self.limits.client.idle)));
        }
    }

    /// The client was told to go: from now on it has [`FAREWELL`] between its requests.
    pub(super) fn told_to_go(&self) {
        if !self.leaving.replace(true) && self.open.get() == 0 {
            self.deadline().restart(Some(FAREWELL));
        }
    }

    fn hurried(&self, limit: Duration) -> Duration {
        if self.leaving.get() { limit.min(FAREWELL) } else { limit }
    }

    /// The client takes no more for now, or does again.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.set(blocked);
        if !blocked && self.waited_for.replace(false) {
            self.deadline().wake();
        }
    }

    /// Whether an answer has to wait before more of it is read: hyper asks for a piece more than the
    /// client takes. Only for HTTP/1.1, where who waits is the connection's own task.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waited_for.set(self.blocked.get());
        self.blocked.get()
    }

    /// Whether all that there is of a next request is a part of its head, and the client has taken
    /// all that came before it.
    pub(super) fn has_half_a_head(&self) -> bool {
        self.stage.get() == Stage::Head && !self.blocked.get()
    }

    /// The client has taken some bytes.
    pub(super) fn took(&self) {
        match self.stage.get() {
            // The end of an answer may still be on its way.
            Stage::Idle => self.deadline().allow(self.hurried(self.limits.client.idle)),
            Stage::Exchange => self.deadline().moved(),
            Stage::Head => {}
        }
    }

    /// The connection is to become a tunnel as soon as the answer to its request is written.
    pub(super) fn upgrade(&self, upgraded: Upgraded) {
        *self.upgraded.borrow_mut() = Some(upgraded);
    }

    /// What the connection has become.
    pub(super) fn take_upgraded(&self) -> Option<Upgraded> {
        self.upgraded.borrow_mut().take()
    }
}

/// All client connections of a thread.
#[derive(Debug)]
pub(super) struct Clients {
    limits: ClientLimits,
    deadlines: Rc<Deadlines>,
    room: Arc<Room>,
    all: RefCell<Slab<Rc<Client>>>,
    /// Told when the last one is gone.
    empty: Notify,
}

impl Clients {
    /// None yet.
    pub(super) fn new(deadlines: Rc<Deadlines>, limits: ClientLimits, room: Arc<Room>) -> Self {
        Self { limits, deadlines, room, all: RefCell::default(), empty: Notify::new() }
    }

    /// How many there may be, of all threads together.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// A new connection from `peer`. The first request head has the time of a head, not of an idle
    /// connection: a client that connects and says nothing is not one between requests.
    pub(super) fn admit(self: &Rc<Self>, peer: SocketAddr, to: Option<SocketAddr>) -> Admitted {
        let client = Rc::new(Client {
            address: Cell::new(peer),
            to,
            stage: Cell::new(Stage::Idle),
            served: Cell::new(0),
            open: Cell::new(0),
            blocked: Cell::new(false),
            waited_for: Cell::new(false),
            trailers: Cell::new(false),
            leaving: Cell::new(false),
            watched: self.deadlines.watch(Some(self.limits.client.head)),
            limits: self.limits,
            held: RefCell::new(None),
            upgraded: RefCell::new(None),
        });
        let key = self.all.borrow_mut().insert(Rc::clone(&client));
        Admitted { client, key, clients: Rc::clone(self), _place: self.room.take() }
    }

    /// Whether the address of `client`, which is known by now, may have one more connection.
    pub(super) fn hold(&self, client: &Client) -> bool {
        let Some(addresses) = self.room.per_address() else { return true };
        let held = addresses.hold(client.address().ip());
        let may = held.is_some();
        *client.held.borrow_mut() = held;
        may
    }

    /// Ends the connection that has been idle for longest; `false` if none has been for [`SPARED`].
    pub(super) fn end_oldest_idle(&self, now: Moment) -> bool {
        let all = self.all.borrow();
        let idle = all.iter().filter_map(|(_, client)| Some((client.idle_for(now)?, client)));
        let oldest = idle.max_by_key(|(idle, _)| *idle).filter(|(idle, _)| *idle >= SPARED);
        oldest.inspect(|(_, client)| client.deadline().end()).is_some()
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
    _place: Place,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.clients.all.borrow_mut().remove(self.key);
        if self.clients.len() == 0 {
            self.clients.empty.notify_one();
        }
    }
}
