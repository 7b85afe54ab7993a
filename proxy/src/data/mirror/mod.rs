//! Copies of requests, for the release of an app's mirror.
//!
//! A copy is a task of its own on the thread of its request, and takes only what is free: no place in a
//! line, nobody's kept connection, no more than [`MOST`] at a time. So a release that hangs costs those
//! who are answered by another one nothing but the copying of a head.
//!
//! # Layout
//!
//! - `pair`: a request and its copy, until both have come to a status
//! - `copy`: a copy on its way

mod copy;
mod pair;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::{Method, request};
use slab::Slab;
use tokio::task::AbortHandle;

use self::copy::Copy;
pub(super) use self::pair::Pair;
use super::balance::{Asker, Place, Wish};
use super::forwarded::Client;
use super::local::Local;
use crate::proxy_protocol::Addresses;
use crate::route::Mirror;

/// Copies under way on one thread at a time: at a tenth of a second for an answer they are several
/// hundred a second, and those that hang keep a connection and a head each, and no more than that.
const MOST: usize = 64;

/// A request that may be copied.
#[derive(Debug)]
pub(super) struct Candidate {
    mirror: Arc<Mirror>,
    client: Client,
}

impl Candidate {
    /// The request of `asker`, if its method is safe (RFC 9110 9.2.1) and one that apps are looked at
    /// by.
    pub(super) fn of(mirror: &Arc<Mirror>, asker: &Asker<'_>) -> Option<Box<Self>> {
        let get = asker.head.method == Method::GET;
        get.then(|| Box::new(Self { mirror: Arc::clone(mirror), client: asker.client }))
    }

    /// Sends a copy of the request with this `head`, which is that of HTTP/1.1 still, if it is its
    /// turn. `trailers`: its client takes them; `ends`: of its client's connection.
    ///
    /// Returns who is to be told what becomes of the request.
    pub(super) fn copy(
        &self,
        local: &Rc<Local>,
        head: &request::Parts,
        trailers: bool,
        ends: Option<Addresses>,
    ) -> Option<Rc<Pair>> {
        let lease = local.turn(&self.mirror)?;
        let pairs = self.mirror.pairs();
        let release = lease.release();
        let wish = Wish::hashed(&release.release, &head.headers, self.client.address);
        let free = local.copies.has_room().then(|| Place::find(release, wish, false)).flatten();
        let Some(place) = free else {
            pairs.leave_out(local.thread);
            return None;
        };
        let pair = Pair::begin(pairs, local.thread);
        let copy = Copy::of(head, trailers, (lease, place), ends, Rc::clone(&pair));
        local.copies.begin(&self.mirror, local, copy);
        Some(pair)
    }
}

/// The copies of a thread that are under way.
#[derive(Debug, Default)]
pub(super) struct Copies(RefCell<Slab<UnderWay>>);

#[derive(Debug)]
struct UnderWay {
    mirror: Arc<Mirror>,
    task: AbortHandle,
}

impl Copies {
    fn has_room(&self) -> bool {
        self.0.borrow().len() < MOST
    }

    fn begin(&self, mirror: &Arc<Mirror>, local: &Rc<Local>, copy: Copy) {
        let mut all = self.0.borrow_mut();
        let entry = all.vacant_entry();
        let over = Over { local: Rc::clone(local), key: entry.key() };
        let task = tokio::task::spawn_local(async move { copy.run(&over.local).await });
        entry.insert(UnderWay { mirror: Arc::clone(mirror), task: task.abort_handle() });
    }

    /// Drops those whose mirror is over: nobody waits for them.
    pub(super) fn tick(&self) {
        let all = self.0.borrow();
        let over = all.iter().filter(|(_, copy)| copy.mirror.epoch().is_closed());
        over.for_each(|(_, copy)| copy.task.abort());
    }
}

/// A copy's place among those of its thread, until dropped.
struct Over {
    local: Rc<Local>,
    key: usize,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.local.copies.0.borrow_mut().try_remove(self.key);
    }
}
