//! The data threads as a whole, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use arc_swap::ArcSwap;
use shunt_config::limits::Bounds;
use shunt_config::pass::PassKey;
use shunt_config::proxy_file::{Client, Http2};
use tokio::sync::{oneshot, watch};

use super::door::Door;
use super::listener::Listener;
use super::room::Room;
use super::worker;
use crate::access_log::{AccessLog, Lane};
use crate::metrics::ProcessMeters;
use crate::pages::Pages;
use crate::route::Router;

/// What clients may take and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long they may take, and how many there may be.
    pub client: Client,
    /// How large a request may be, where its app says nothing else.
    pub bounds: Bounds,
    /// What one HTTP/2 connection may cost.
    pub http2: Http2,
}

/// What the data plane needs to start.
#[derive(Debug)]
pub struct PlaneConfig {
    /// Data threads, at least one.
    pub threads: usize,
    /// Where clients come in; each bound for `threads`.
    pub listeners: Vec<Listener>,
    /// What clients may take and cost.
    pub client: ClientLimits,
    /// How many client connections there may be.
    pub room: Room,
    /// A line per request, if wanted.
    pub log: Option<Arc<AccessLog>>,
    /// What errors look like.
    pub pages: Arc<ArcSwap<Pages>>,
    /// What passes to previews are signed with; without any none is good.
    pub pass_keys: Arc<ArcSwap<Vec<PassKey>>>,
    /// A path that is answered with 200 whatever the host, and with 503 once the plane ends: for a
    /// load balancer in front.
    pub health: Option<Arc<str>>,
}

/// The running data threads.
#[derive(Debug)]
pub struct Plane {
    stop: watch::Sender<Option<Duration>>,
    ended: Vec<oneshot::Receiver<usize>>,
    connections: Arc<[AtomicUsize]>,
    resting: Arc<[AtomicUsize]>,
    meters: Arc<ProcessMeters>,
    room: Arc<Room>,
}

/// What one thread is given.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its index.
    pub(super) thread: usize,
    /// Its own listening sockets.
    pub(super) sockets: Vec<(Door, std::net::TcpListener)>,
    /// What clients may take and cost.
    pub(super) client: ClientLimits,
    /// How many client connections there may be.
    pub(super) room: Arc<Room>,
    /// Its end of the access log.
    pub(super) log: Option<Lane>,
    /// What errors look like.
    pub(super) pages: Arc<ArcSwap<Pages>>,
    /// What passes to previews are signed with.
    pub(super) pass_keys: Arc<ArcSwap<Vec<PassKey>>>,
    /// The path that is answered whatever the host.
    pub(super) health: Option<Arc<str>>,
    /// The snapshot.
    pub(super) router: Arc<Router>,
    /// `Some(grace)` once it is to end.
    pub(super) stop: watch::Receiver<Option<Duration>>,
    /// Where it shows how many connections it has.
    pub(super) connections: Arc<[AtomicUsize]>,
    /// And how many of them rest.
    pub(super) resting: Arc<[AtomicUsize]>,
    /// What belongs to no release.
    pub(super) meters: Arc<ProcessMeters>,
}

impl Plane {
    /// Starts the data threads. Requests are served from `router` from now on.
    pub fn start(config: PlaneConfig, router: &Arc<Router>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(None);
        let counts = || (0..config.threads).map(|_| AtomicUsize::new(0)).collect();
        let (connections, resting): (Arc<[AtomicUsize]>, Arc<[AtomicUsize]>) = (counts(), counts());
        let meters = Arc::new(ProcessMeters::new(config.threads));
        let room = Arc::new(config.room);
        let mut sockets: Vec<Vec<_>> = (0..config.threads).map(|_| Vec::new()).collect();
        for listener in config.listeners {
            // More sockets than threads (a set handed over) are shared out, never dropped: a
            // dropped one would reset the connections in its queue.
            let (door, listening) = listener.into_parts();
            for (i, socket) in listening.into_iter().enumerate() {
                sockets[i % config.threads].push((door.clone(), socket));
            }
        }
        let mut ended = Vec::new();
        let (starting, started) = mpsc::channel();
        for (thread, sockets) in sockets.into_iter().enumerate() {
            let seat = Seat {
                thread,
                sockets,
                client: config.client,
                room: Arc::clone(&room),
                log: config.log.as_ref().map(|log| log.lane()),
                pages: Arc::clone(&config.pages),
                pass_keys: Arc::clone(&config.pass_keys),
                health: config.health.clone(),
                router: Arc::clone(router),
                stop: stopped.clone(),
                connections: Arc::clone(&connections),
                resting: Arc::clone(&resting),
                meters: Arc::clone(&meters),
            };
            let (done, end) = oneshot::channel();
            let starting = starting.clone();
            thread::Builder::new().name(format!("data-{thread}")).spawn(move || {
                let cut = worker::run(seat, &starting);
                // Nobody waits for it when the process ends without a shutdown.
                let _ = done.send(cut);
            })?;
            ended.push(end);
        }
        for _ in 0..config.threads {
            started.recv().map_err(io::Error::other)??;
        }
        Ok(Self { stop, ended, connections, resting, meters, room })
    }

    /// Client connections now open.
    pub fn connections(&self) -> usize {
        self.connections.iter().map(|n| n.load(Relaxed)).sum()
    }

    /// Those of them that rest: on HTTP/1.1, with nothing kept for the next request but the socket.
    pub fn resting(&self) -> usize {
        self.resting.iter().map(|n| n.load(Relaxed)).sum()
    }

    /// Where the number of open client connections is kept, by thread.
    pub fn connection_counts(&self) -> &Arc<[AtomicUsize]> {
        &self.connections
    }

    /// How many client connections there may be.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// What is counted that belongs to no release.
    pub fn meters(&self) -> &Arc<ProcessMeters> {
        &self.meters
    }

    /// Stops accepting, ends idle connections, finishes what runs for at most `grace` and says how
    /// many connections were cut after that.
    pub async fn shutdown(self, grace: Duration) -> usize {
        self.stop.send_replace(Some(grace));
        let mut cut = 0;
        for end in self.ended {
            // A thread that panicked has cut what it had and cannot say how many.
            cut += end.await.unwrap_or_default();
        }
        cut
    }
}
