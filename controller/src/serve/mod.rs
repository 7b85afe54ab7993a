//! `shuntctl serve`: the controller as a daemon.
//!
//! It decides and keeps order; what changes anything is `shuntctl` itself, a process for each run. So
//! a run that goes wrong takes nothing else along, one outlives a restart of the daemon, and there is
//! one way in which a verb is done.
//!
//! # Layout
//!
//! - [`loaded`], `secret_file`: the file `serve.toml` and the secrets it names
//! - [`route`], `http`, `answer`: requests; `crowd`: who is served at once; `look`, `act`, [`verbs`]: what
//!   is answered to them
//! - `hooks`, `replays`: requests that start deploys
//! - [`desk`]: the queues, and what became of each run
//! - `keeper`: what is due without anybody asking; `patrol`: containers that are gone
//! - `metrics`: how all of that is counted

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sd_notify::NotifyState;
use shunt_config::store::{self, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::exit::{Exit, Failure};

mod act;
mod answer;
mod crowd;
pub mod desk;
mod hooks;
mod http;
mod keeper;
pub mod loaded;
mod look;
mod metrics;
mod patrol;
mod replays;
pub mod route;
mod secret_file;
pub mod verbs;

use desk::Desk;
use loaded::Loaded;
use metrics::Metrics;
use patrol::Vanished;
use replays::Replays;

/// What every request and every task works with.
#[derive(Debug)]
pub(crate) struct Serve {
    store: Arc<dyn Store>,
    loaded: watch::Sender<Arc<Loaded>>,
    desk: Arc<Desk>,
    replays: Replays,
    metrics: Metrics,
    vanished: Vanished,
}

impl Serve {
    /// The settings as they are now.
    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.borrow())
    }
}

/// Serves what the file at `path` says, until SIGTERM or SIGINT. Runs that are under way go on.
pub async fn run(path: &Path, loaded: Loaded) -> Result<(), Failure> {
    loaded.warnings().iter().for_each(|said| warn!("{said}"));
    let state = loaded.file.state.clone();
    let _alone = directory(&state)?;
    let store = store::open(&loaded.file.store)?;
    let address = loaded.file.listen;
    if !address.ip().is_loopback() {
        warn!("{address} can be reached from elsewhere, and nothing here speaks TLS");
    }
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|e| Failure::usage(format!("listen: {address}: {e}")))?;
    let at_state = |e: std::io::Error| Failure::usage(format!("{}: {e}", state.display()));
    let program = std::env::current_exe().map_err(at_state)?;
    let metrics = Metrics::new().map_err(|e| Failure::new(Exit::Unreachable, e.to_string()))?;
    let (loaded, watched) = watch::channel(Arc::new(loaded));
    let desk =
        Desk::open(state.join("runs"), program, watched, metrics.clone()).map_err(at_state)?;
    let replays = Replays::open(&state.join("deliveries")).map_err(at_state)?;
    let told = desk.all().into_iter().flat_map(|run| run.order.delivery);
    replays.learn(told).map_err(at_state)?;
    let vanished = Vanished::default();
    let serve = Arc::new(Serve { store, loaded, desk, replays, metrics, vanished });
    let mut signals = Signals::new().map_err(at_state)?;
    let tasks = [
        tokio::spawn(keeper::keep(Arc::clone(&serve))),
        tokio::spawn(patrol::patrol(Arc::clone(&serve))),
    ];
    say_where(&listener).map_err(at_state)?;
    let front = tokio::spawn(http::serve(Arc::clone(&serve), listener));
    tell(&[NotifyState::Ready]);
    while let Told::Reload = signals.next().await {
        reload(&serve, path);
    }
    tell(&[NotifyState::Stopping]);
    front.abort();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    info!("stopping; runs that are under way go on");
    Ok(())
}

/// Makes the directory of what is kept, and keeps others out of it.
fn directory(path: &Path) -> Result<File, Failure> {
    let wrong = |e: std::io::Error| Failure::usage(format!("state: {}: {e}", path.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
    own(path).map_err(wrong)?;
    let lock = File::create(path.join("lock")).map_err(wrong)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => {
            let said = format!("another `shuntctl serve` works in {}", path.display());
            Err(Failure::new(Exit::Locked, said))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// Refuses a directory that others could put something into: what is in there is run.
fn own(path: &Path) -> std::io::Result<()> {
    let (found, user) = (std::fs::metadata(path)?, rustix::process::geteuid().as_raw());
    let shown = path.display();
    if found.uid() != user {
        let owner = found.uid();
        let said =
            format!("{shown} belongs to user {owner}, and not to user {user}, who runs this");
        return Err(std::io::Error::other(said));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        let said = format!("others may write into {shown} (mode {mode:03o}): `chmod 700 {shown}`");
        return Err(std::io::Error::other(said));
    }
    Ok(())
}

/// One line on stdout, for scripts that asked for port 0.
fn say_where(listener: &TcpListener) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()
}

/// Reads the file again; one with a mistake changes nothing.
fn reload(serve: &Serve, path: &Path) {
    let old = serve.loaded();
    match Loaded::load(path) {
        Ok(new) => {
            let differs = [
                ("listen", new.file.listen != old.file.listen),
                ("state", new.file.state != old.file.state),
                ("store", new.file.store != old.file.store),
            ];
            for (key, _) in differs.iter().filter(|(_, differs)| *differs) {
                warn!("`{key}` stays as it was until the next start");
            }
            new.warnings().iter().for_each(|said| warn!("{said}"));
            serve.loaded.send_replace(Arc::new(new.with_start_of(&old)));
            info!("{} was read again", path.display());
        }
        Err(failure) => {
            error!("{failure}; all stays as it was");
            failure.details.iter().for_each(|said| error!("{said}"));
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd was not told: {error}");
    }
}

/// What the process is told by signals.
enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }
}

/// The path of a run's file.
fn file_of(directory: &Path, id: &str, kind: &str) -> PathBuf {
    directory.join(format!("{id}.{kind}"))
}
