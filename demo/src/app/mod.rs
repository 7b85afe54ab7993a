//! The application: what it is, and its life from bind to graceful stop.

mod answer;
mod body;
mod faults;
mod session;

pub use faults::Faults;
pub use session::SESSION;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Names the release that answered, on every answer.
pub const RELEASE: &str = "x-release";
/// Names the instance that answered, on every answer.
pub const INSTANCE: &str = "x-instance";
/// Marks the requests that `/seen` counts.
pub const COUNTED: &str = "x-counted";

/// Connections that may wait to be taken. A flip brings all of a proxy's at once, and on a machine that is
/// short of time the kernel resets what does not fit in.
const BACKLOG: u32 = 4096;

/// Bytes in one piece of `/stream`.
pub const STREAM_PIECE: usize = 1024;

/// One instance of one release.
#[derive(Clone, Debug)]
pub struct App {
    version: String,
    instance: String,
    ready_after: Duration,
    broken: bool,
    faults: Faults,
}

impl App {
    /// An instance of `version` that is healthy from the start.
    pub fn new(version: impl Into<String>) -> Self {
        let instance = format!("process {}", std::process::id());
        Self {
            version: version.into(),
            instance,
            ready_after: Duration::ZERO,
            broken: false,
            faults: Faults::default(),
        }
    }

    /// Names the instance; by default after its process.
    #[must_use]
    pub fn instance(self, name: impl Into<String>) -> Self {
        Self { instance: name.into(), ..self }
    }

    /// `/up` answers 503 for this long: a start-up with migrations.
    #[must_use]
    pub fn ready_after(self, ready_after: Duration) -> Self {
        Self { ready_after, ..self }
    }

    /// `/up` answers 500, always.
    #[must_use]
    pub fn broken(self) -> Self {
        Self { broken: true, ..self }
    }

    /// Answers as `faults` have it, but for `/up`: a release that is bad without looking so.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// Binds `listen` and serves on the runtime that it is called in until the returned handle is dropped.
    pub fn start(self, listen: SocketAddr) -> std::io::Result<Running> {
        let socket = match listen {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            broken: AtomicBool::new(self.broken),
            started: Instant::now(),
            seen: AtomicU64::new(0),
            leaked: Mutex::default(),
            sessions: session::Sessions::default(),
            app: self,
        });
        let (stop, stopped) = watch::channel(());
        let serving = tokio::spawn(serve(listener, Arc::clone(&state), stopped));
        Ok(Running { address, state, stop, serving })
    }
}

/// What all connections of one instance share.
#[derive(Debug)]
struct State {
    app: App,
    started: Instant,
    broken: AtomicBool,
    seen: AtomicU64,
    /// What was never let go of.
    leaked: Mutex<Vec<Vec<u8>>>,
    sessions: session::Sessions,
}

/// An instance that serves. Dropping it cuts its connections.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    state: Arc<State>,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Running {
    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes `/up` fail, or answer again.
    pub fn set_broken(&self, broken: bool) {
        self.state.broken.store(broken, Ordering::Relaxed);
    }

    /// How many requests marked with [`COUNTED`] have arrived.
    pub fn seen(&self) -> u64 {
        self.state.seen.load(Ordering::Relaxed)
    }

    /// Stops accepting, answers what has arrived, closes idle connections, and returns when no
    /// connection is left, which is up to the clients.
    ///
    /// # Cancel safety
    ///
    /// Cancelling cuts the connections that are left.
    pub async fn stop(mut self) {
        self.stop.send_replace(());
        // The only way to end in an error is a panic or an abort, and then nothing is left either.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, mut stop: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&state), stop.clone()));
                }
                // Out of descriptors, most likely: one may be free soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, state: Arc<State>, mut stop: watch::Receiver<()>) {
    // Without it an answer in several writes waits for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer::answer(&state, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A connection's error is its client's affair: who went away, or spoke nonsense, is told so.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
