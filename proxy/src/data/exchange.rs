//! A request that has claimed a release, from the claim until both bodies are over.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::SET_COOKIE;

use super::balance::Place;
use super::client::Client;
use super::deadline::Deadline;
use super::error::ProxyError;
use super::local::Lease;
use super::met::LocalRelease;
use super::trail::Record;
use super::tunnel::End;
use super::upstream::Terms;
use crate::metrics::meters::{Fault, Retry};

/// The most that is read of an answer at a time: on large bodies, a piece of 256 KiB costs a tenth less
/// than one of 128 KiB. It is also what a client that takes nothing keeps in memory.
const PIECE: usize = 256 * 1024;
/// The same for a client of HTTP/2, which may leave many answers waiting, and gets them in frames of
/// 16 KiB; and for one of TLS, whose records are no larger, and of which rustls keeps 64 KiB itself.
const SMALL_PIECE: usize = 64 * 1024;

/// One request and its answer. Held by both bodies: when the last of them is dropped, the lease
/// ends and the answer is counted.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The client connection it came in on.
    pub(super) client: Rc<Client>,
    /// Until when it may go on with what it does.
    pub(super) deadline: Rc<Deadline>,
    /// The target it is sent to.
    pub(super) place: Place,
    lease: Lease,
    thread: usize,
    began: Instant,
    record: Option<Box<Record>>,
    status: Cell<u16>,
    counted: Cell<bool>,
    sending: Cell<Sending>,
}

/// How far the request body has come, and whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The target has not said yet that it wants it.
    Held,
    /// The target takes no more for now.
    WaitsForTarget,
    /// The client has sent no more yet.
    WaitsForClient,
    /// All of it was handed over, or there was none.
    Done,
    /// The client broke it off or sent nonsense.
    Failed,
    /// It is larger than allowed.
    TooLarge,
}

impl Exchange {
    /// A request that begins now.
    pub(super) fn new(
        (client, deadline): (Rc<Client>, Rc<Deadline>),
        (lease, place): (Lease, Place),
        thread: usize,
        began: Instant,
        record: Option<Box<Record>>,
    ) -> Rc<Self> {
        client.hold_open();
        Rc::new(Self {
            client,
            deadline,
            place,
            lease,
            thread,
            began,
            record,
            status: Cell::new(0),
            counted: Cell::new(false),
            sending: Cell::new(Sending::Done),
        })
    }

    /// The release it goes to.
    pub(super) fn release(&self) -> &Rc<LocalRelease> {
        self.lease.release()
    }

    /// Whether new requests no longer come to its release.
    pub(super) fn is_left(&self) -> bool {
        self.lease.is_left()
    }

    /// Adds the cookies that the visitor is to be given with the answer.
    pub(super) fn add_cookies(&self, headers: &mut HeaderMap) {
        let own = self.lease.cookie(self.place.is_secure());
        for cookie in self.place.cookie().into_iter().chain(own) {
            headers.append(SET_COOKIE, cookie);
        }
    }

    /// How far the request body has come.
    pub(super) fn sending(&self) -> Sending {
        self.sending.get()
    }

    /// Whether the client has to take what it was sent before it is sent more. HTTP/2 has windows for
    /// that, one for each stream.
    pub(super) fn waits_for_client(&self) -> bool {
        self.has_client_alone() && self.client.is_waited_for()
    }

    /// What it is sent under.
    pub(super) fn terms(&self) -> Terms<'_> {
        let large = self.has_client_alone() && !self.client.is_encrypted();
        let piece = if large { PIECE } else { SMALL_PIECE };
        Terms { deadline: &self.deadline, piece, idle: self.release().release.limits.idle }
    }

    /// Whether nothing else goes on on the client's connection: HTTP/1.1.
    fn has_client_alone(&self) -> bool {
        Rc::ptr_eq(&self.deadline, self.client.deadline())
    }

    /// A piece of the request body has moved, and so has the deadline.
    pub(super) fn moved(&self, sending: Sending) {
        self.sending.set(sending);
        let limits = self.release().release.limits;
        let waits_for_head = sending == Sending::Done && self.status.get() == 0;
        self.deadline.allow(if waits_for_head { limits.response } else { limits.idle });
    }

    /// The request body waits for the target's word, as long as for an answer.
    pub(super) fn held(&self) {
        self.sending.set(Sending::Held);
        self.deadline.allow(self.release().release.limits.response);
    }

    /// The target wants more than the client has sent.
    pub(super) fn stopped(&self) {
        if self.sending.replace(Sending::WaitsForClient) != Sending::WaitsForClient {
            let idle = self.release().release.limits.idle;
            self.deadline.allow(idle.min(self.client.limits().client.body));
        }
    }

    /// The client's connection becomes a tunnel: the request is answered, and only its lease goes
    /// on.
    pub(super) fn switched(&self) {
        self.answered(101);
        self.count(self.began.elapsed());
        self.counted.set(true);
    }

    /// Counts the end of the tunnel that it became.
    pub(super) fn tunnel_ended(&self, end: End) {
        self.release().release.meters.cell(self.thread).tunnel_ended(end);
    }

    fn count(&self, total: Duration) {
        self.release().release.meters.cell(self.thread).answered(self.status.get(), total);
    }

    /// Records the status the client is answered with.
    pub(super) fn answered(&self, status: u16) {
        self.status.set(status);
    }

    /// The request ends with `error` in the place of an answer.
    pub(super) fn ended(&self, error: &ProxyError) {
        self.answered(error.status().as_u16());
        if let Some(fault) = error.fault() {
            self.failed(fault);
        }
        if let Some(record) = &self.record {
            record.error.set(error.cause());
        }
    }

    /// What becomes its line in the access log, if there is one.
    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// Counts a failure of the target.
    pub(super) fn failed(&self, fault: Fault) {
        self.place.failed();
        self.release().release.meters.cell(self.thread).failed(fault);
        if let Some(record) = &self.record {
            record.error.set(fault.as_str());
        }
    }

    /// Counts a second try.
    pub(super) fn retried(&self, retry: Retry) {
        self.release().release.meters.cell(self.thread).retried(retry);
        if let Some(record) = &self.record {
            record.retries.set(record.retries.get().saturating_add(1));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let total = self.began.elapsed();
        if !self.counted.get() {
            self.count(total);
        }
        if let Some(record) = &self.record {
            record.write(self.status.get(), &self.release().release, total);
        }
        self.client.let_go();
    }
}
