//! One client connection: what it is doing and until when it may.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::clock::Moment;
use super::deadline::{Deadline, Watched};
use super::per_address::Held;
use super::plane::ClientLimits;
use super::upgrade::Upgraded;
use crate::proxy_protocol::Addresses;

/// How long a client on HTTP/2 has to go, once it was told to and nothing runs for it: time for its
/// word that it has heard, so that a request which was already under way is answered.
const FAREWELL: Duration = Duration::from_secs(2);

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
    /// Exchanges of which anything is still held: a body may go on when the answer is over.
    held_open: Cell<u32>,
    /// Whether it has not taken all that was written to it.
    blocked: Cell<bool>,
    /// Whether an answer waits until it has.
    waited_for: Cell<bool>,
    /// Whether what is written to it is encrypted first, and kept for that.
    encrypted: Cell<bool>,
    /// Whether a request had trailers.
    trailers: Cell<bool>,
    /// Whether it was told to go.
    leaving: Cell<bool>,
    watched: Watched,
    limits: Rc<ClientLimits>,
    /// Its place among those of its address, where these are counted.
    held: OnceCell<Box<Held>>,
    /// What this connection turns into when its last answer is written.
    upgraded: RefCell<Option<Box<Upgraded>>>,
}

impl Client {
    /// A connection from `address` to another, which has time for its first head until `watched` passes:
    /// a client that connects and says nothing is not one between requests.
    pub(super) fn new(
        address: SocketAddr,
        to: Option<SocketAddr>,
        watched: Watched,
        limits: &Rc<ClientLimits>,
    ) -> Rc<Self> {
        Rc::new(Self {
            address: Cell::new(address),
            to,
            stage: Cell::new(Stage::Idle),
            served: Cell::new(0),
            open: Cell::new(0),
            held_open: Cell::new(0),
            blocked: Cell::new(false),
            waited_for: Cell::new(false),
            encrypted: Cell::new(false),
            trailers: Cell::new(false),
            leaving: Cell::new(false),
            watched,
            limits: Rc::clone(limits),
            held: OnceCell::new(),
            upgraded: RefCell::default(),
        })
    }

    /// Counts among those of its address from now on.
    pub(super) fn count(&self, held: Held) {
        self.held.get_or_init(|| Box::new(held));
    }

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
    pub(super) fn idle_for(&self, now: Moment) -> Option<Duration> {
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

    /// Bytes have come: a request head has begun, unless one is already known of, or they may belong to
    /// a request body that outlasts its answer.
    pub(super) fn head_began(&self) {
        if self.stage.get() == Stage::Idle && self.held_open.get() == 0 {
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
            self.deadline().look_again();
        }
    }

    /// Something holds on to an exchange.
    pub(super) fn hold_open(&self) {
        self.held_open.set(self.held_open.get() + 1);
    }

    /// Nothing holds on to that exchange any more.
    pub(super) fn let_go(&self) {
        self.held_open.set(self.held_open.get().saturating_sub(1));
        if self.stage.get() == Stage::Idle {
            self.deadline().look_again();
        }
    }

    /// Whether nothing has come, gone or been under way for a moment, so that what is kept to go on at
    /// once need not be kept.
    pub(super) fn is_at_rest(&self) -> bool {
        self.stage.get() == Stage::Idle
            && self.held_open.get() == 0
            && !self.blocked.get()
            && self.deadline().is_quiet()
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

    /// The connection is one of TLS.
    pub(super) fn set_encrypted(&self) {
        self.encrypted.set(true);
    }

    /// Whether it is.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted.get()
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
            Stage::Idle => {
                self.deadline().allow(self.hurried(self.limits.client.idle));
                self.deadline().look_again();
            }
            Stage::Exchange => self.deadline().moved(),
            Stage::Head => {}
        }
    }

    /// The connection is to become a tunnel as soon as the answer to its request is written.
    pub(super) fn upgrade(&self, upgraded: Upgraded) {
        *self.upgraded.borrow_mut() = Some(Box::new(upgraded));
    }

    /// What the connection has become.
    pub(super) fn take_upgraded(&self) -> Option<Upgraded> {
        self.upgraded.take().map(|upgraded| *upgraded)
    }
}
