//! The queues, and what became of each run. All of it is on the disk before it is believed: one file
//! for each run, written beside its place and renamed, and one with its output.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shunt_config::AppName;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::file_of;
use super::loaded::Loaded;
use super::metrics::Metrics;

mod course;
mod output;
mod process;
mod queue;
mod record;

pub use output::{Output, after, event};
use queue::Runs;
pub use record::{Order, Record, State};

/// Runs of an app that are kept when they are over.
const KEPT: usize = 100;

/// How long a deploy waits for a lock that someone else holds.
const LOCK_WAIT: &str = "--lock-wait=10m";

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has become this run.
    New(String),
    /// This run does the same already.
    Same(String),
}

impl Taken {
    /// The run.
    pub fn run(&self) -> &str {
        match self {
            Self::New(run) | Self::Same(run) => run,
        }
    }
}

/// The queues, and what became of each run.
#[derive(Debug)]
pub struct Desk {
    directory: PathBuf,
    program: PathBuf,
    loaded: watch::Receiver<Arc<Loaded>>,
    metrics: Metrics,
    runs: Mutex<Runs>,
    /// Counts on with each change.
    changed: watch::Sender<u64>,
}

impl Desk {
    /// What is written down in `directory`: runs that are under way are followed to their end, and
    /// what waited goes on to wait. `program` is what is run.
    pub(super) fn open(
        directory: PathBuf,
        program: PathBuf,
        loaded: watch::Receiver<Arc<Loaded>>,
        metrics: Metrics,
    ) -> io::Result<Arc<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        super::own(&directory)?;
        let runs = read(&directory)?;
        let apps: BTreeSet<AppName> = runs.values().map(|run| run.order.app.clone()).collect();
        let running: Vec<_> =
            runs.values().filter(|run| run.state == State::Running).cloned().collect();
        let (changed, _) = watch::channel(0);
        let runs = Mutex::new(runs);
        let desk = Arc::new(Self { directory, program, loaded, metrics, runs, changed });
        for run in running {
            desk.follow(run);
        }
        for app in apps {
            // Whoever wrote the newest down may have come no further.
            let newest = queue::newest_deploy(&desk.runs(), &app);
            if let Some(newest) = newest {
                desk.supersede(&app, &newest)?;
            }
            desk.turn(&app);
        }
        Ok(desk)
    }

    /// Takes an order: it is written down, and begins when its turn has come.
    pub fn take(self: &Arc<Self>, order: Order) -> io::Result<Taken> {
        let (app, id) = (order.app.clone(), queue::id_after(&self.runs()));
        let (deploy, waits) = (order.verb == "deploy", order.waits);
        {
            let mut runs = self.runs();
            if let Some(run) = queue::same(&runs, &order).filter(|_| waits) {
                return Ok(Taken::Same(run.id.clone()));
            }
            let record = Record::new(id.clone(), order);
            self.write(&record)?;
            info!(app = %app, run = %id, verb = %record.order.verb, by = %record.order.by, "asked for");
            runs.insert(id.clone(), record);
        }
        // It is written down, and so are those whose place it takes once a daemon begins anew.
        if deploy && let Err(error) = self.supersede(&app, &id) {
            warn!(app = %app, run = %id, "what it supersedes is not written down: {error}");
        }
        match waits {
            true => self.turn(&app),
            false => self.begin(&id),
        }
        self.has_changed();
        Ok(Taken::New(id))
    }

    /// All runs, the oldest first.
    pub fn all(&self) -> Vec<Record> {
        self.runs().values().cloned().collect()
    }

    /// A run.
    pub fn run(&self, id: &str) -> Option<Record> {
        self.runs().get(id).cloned()
    }

    /// Where a run's output is.
    pub fn output(&self, id: &str) -> PathBuf {
        file_of(&self.directory, id, "out")
    }

    /// Counts on with each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The run as it stands when it is over, or after `limit`.
    pub async fn over(&self, id: &str, limit: Duration) -> Option<Record> {
        let mut changes = self.changes();
        let is_over = |_: &u64| self.run(id).is_none_or(|run| run.state.is_over());
        let _ = timeout(limit, changes.wait_for(is_over)).await;
        self.run(id)
    }

    /// Ends the deploys of `app` that wait and are older than `newest`.
    fn supersede(&self, app: &AppName, newest: &str) -> io::Result<()> {
        let mut runs = self.runs();
        for id in queue::outdone(&runs, app, newest) {
            let Some(run) = runs.get_mut(&id) else { continue };
            run.superseded(newest);
            info!(app = %app, run = %id, by = %newest, "superseded");
            self.metrics.ran(app.as_str(), &run.order.verb, run.result());
            self.write(run)?;
        }
        Ok(())
    }

    fn has_changed(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn write(&self, run: &Record) -> io::Result<()> {
        let text = serde_json::to_vec(run)?;
        replace(&file_of(&self.directory, &run.id, "json"), &text)
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runs that are written down in `directory`.
fn read(directory: &Path) -> io::Result<Runs> {
    let mut runs = Runs::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        match serde_json::from_slice::<Record>(&fs::read(&path)?) {
            Ok(run) => drop(runs.insert(run.id.clone(), run)),
            Err(error) => warn!("{} is passed over: {error}", path.display()),
        }
    }
    Ok(runs)
}

/// Puts `text` in the place of the file at `path`, as a whole or not at all.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(directory)?.sync_all()
}
