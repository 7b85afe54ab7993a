//! All client connections of a thread: how many there are, and which of them goes where one has to.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::client::Client;
use super::clock::Moment;
use super::deadline::Deadlines;
use super::plane::ClientLimits;
use super::room::Room;
use crate::descriptors::Place;

/// How long a client is not ended for being idle: its next request may be on its way.
const SPARED: Duration = Duration::from_secs(1);

/// All client connections of a thread.
#[derive(Debug)]
pub(super) struct Clients {
    limits: Rc<ClientLimits>,
    deadlines: Rc<Deadlines>,
    room: Arc<Room>,
    all: RefCell<Slab<Rc<Client>>>,
    /// How many of them rest.
    resting: Cell<usize>,
    /// Told when the last one is gone.
    empty: Notify,
}

impl Clients {
    /// None yet.
    pub(super) fn new(deadlines: Rc<Deadlines>, limits: ClientLimits, room: Arc<Room>) -> Self {
        let (all, resting) = Default::default();
        Self { limits: Rc::new(limits), deadlines, room, all, resting, empty: Notify::new() }
    }

    /// How many there may be, of all threads together.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// A new connection from `peer`.
    pub(super) fn admit(self: &Rc<Self>, peer: SocketAddr, to: Option<SocketAddr>) -> Admitted {
        let watched = self.deadlines.watch(Some(self.limits.client.head));
        let client = Client::new(peer, to, watched, &self.limits);
        let key = self.all.borrow_mut().insert(Rc::clone(&client));
        Admitted { client, key, clients: Rc::clone(self), _place: self.room.take() }
    }

    /// Whether the address of `client`, which is known by now, may have one more connection.
    pub(super) fn hold(&self, client: &Client) -> bool {
        let Some(addresses) = self.room.per_address() else { return true };
        let Some(held) = addresses.hold(client.address().ip()) else { return false };
        client.count(held);
        true
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

    /// How many of them rest: they wait for another request, and nothing is kept to go on with it.
    pub(super) fn resting(&self) -> usize {
        self.resting.get()
    }

    /// Counts one more of those, until dropped.
    pub(super) fn rest(&self) -> Rest<'_> {
        self.resting.set(self.resting.get() + 1);
        Rest(&self.resting)
    }

    /// Waits until there is none.
    pub(super) async fn gone(&self) {
        while self.len() > 0 {
            self.empty.notified().await;
        }
    }
}

/// A connection that rests.
#[derive(Debug)]
pub(super) struct Rest<'a>(&'a Cell<usize>);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A connection's place among its thread's; given up when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The connection.
    pub(super) client: Rc<Client>,
    key: usize,
    /// All of its thread.
    pub(super) clients: Rc<Clients>,
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
