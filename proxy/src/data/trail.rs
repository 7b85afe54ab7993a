//! What is kept of a request beside the request itself: for the error it may end in, and for its line
//! in the access log.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, request};
use shunt_config::AppName;

use super::connection::Peer;
use super::error::ProxyError;
use super::met::LocalRelease;
use crate::access_log::{Asked, Lane, Line};
use crate::pages::Wanted;
use crate::route::{Front, Release};

/// What an answer of the proxy's own needs to know of its request.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// What the client can read.
    pub(super) wanted: Wanted,
    /// The request's id, once it has one.
    pub(super) id: Option<HeaderValue>,
    /// The app that let it no further.
    pub(super) app: Option<AppName>,
    /// The release it went to, once there is one.
    pub(super) release: Option<Rc<LocalRelease>>,
    /// What stands in front of its app.
    pub(super) front: Option<Arc<Front>>,
    /// Its line in the access log, until an exchange has it.
    pub(super) record: Option<Box<Record>>,
}

/// What becomes a line in the access log.
#[derive(Debug)]
pub(super) struct Record {
    asked: Asked,
    client: IpAddr,
    tls: &'static str,
    began: Instant,
    lane: Rc<Lane>,
    /// The request's id.
    id: Option<HeaderValue>,
    /// Index of the target tried last.
    pub(super) target: Cell<usize>,
    /// Times it was sent again.
    pub(super) retries: Cell<u8>,
    /// What went wrong.
    pub(super) error: Cell<&'static str>,
    connect: Cell<Option<Duration>>,
    first_byte: Cell<Option<Duration>>,
    /// Body bytes from the client.
    pub(super) received: Cell<u64>,
    /// Body bytes to the client.
    pub(super) sent: Cell<u64>,
}

impl Record {
    /// A line for the request `head`, if there is a log.
    pub(super) fn of(peer: &Peer, head: &request::Parts, began: Instant) -> Option<Box<Self>> {
        let lane = peer.local.log.as_ref()?;
        Some(Box::new(Self {
            asked: Asked::of(head),
            client: peer.origin.client(&head.headers).address,
            tls: peer.tls,
            began,
            lane: Rc::clone(lane),
            id: None,
            target: Cell::new(0),
            retries: Cell::new(0),
            error: Cell::new(""),
            connect: Cell::new(None),
            first_byte: Cell::new(None),
            received: Cell::new(0),
            sent: Cell::new(0),
        }))
    }

    /// A connection was made for it.
    pub(super) fn connected(&self) {
        self.connect.set(Some(self.began.elapsed()));
    }

    /// The head of its answer has come.
    pub(super) fn answered(&self) {
        self.first_byte.set(Some(self.began.elapsed()));
    }

    /// Writes the line: the request has ended with `status` at `release`, after `total`.
    pub(super) fn write(&self, status: u16, release: &Release, total: Duration) {
        self.put(status, release.app.as_str(), Some(release), total);
    }

    fn put(&self, status: u16, app: &str, release: Option<&Release>, total: Duration) {
        let target = release.and_then(|release| release.targets.get(self.target.get()));
        self.lane.push(&Line {
            asked: &self.asked,
            began: self.began,
            client: self.client,
            tls: self.tls,
            status,
            received: self.received.get(),
            sent: self.sent.get(),
            app,
            slot: release.map_or("", |release| release.slot.as_str()),
            release: release
                .map_or("", |release| release.version.as_deref().unwrap_or(release.token.as_str())),
            target: target.map_or("", |target| &target.name),
            retries: self.retries.get(),
            error: self.error.get(),
            request_id: self.id.as_ref().map_or(&[], |id| id.as_bytes()),
            connect: self.connect.get(),
            first_byte: self.first_byte.get(),
            total,
        });
    }
}

impl Trail {
    /// What is kept of the request `head`.
    pub(super) fn of(peer: &Peer, head: &request::Parts, began: Instant) -> Self {
        Self { wanted: Wanted::of(head), record: Record::of(peer, head, began), ..Self::default() }
    }

    /// The request is called `id` from now on.
    pub(super) fn identify(&mut self, id: HeaderValue) {
        if let Some(record) = &mut self.record {
            record.id = Some(id.clone());
        }
        self.id = Some(id);
    }

    /// The request ends here, with `error`, before any exchange.
    pub(super) fn ended(&self, error: &ProxyError) {
        if let Some(record) = &self.record {
            record.error.set(error.cause());
            // A release tells the app, and nothing more: the request has gone to none of its
            // targets.
            let (status, total) = (error.status().as_u16(), record.began.elapsed());
            record.put(status, self.app().unwrap_or_default(), None, total);
        }
    }

    /// The app it is for, if that is known.
    pub(super) fn app(&self) -> Option<&str> {
        let release = self.release.as_ref().map(|local| &local.release.app);
        release.or(self.app.as_ref()).map(AppName::as_str)
    }
}
