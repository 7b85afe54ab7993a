//! The queues, and what became of each run. All of it is on the disk before it is believed: one file
//! for each run, written beside its place and renamed, and one with its output.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::AppName;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::file_of;
use super::loaded::Loaded;
use super::metrics::Metrics;

mod output;
mod process;
mod queue;
mod record;

pub use output::{Output, after, event};
use process::ProcessId;
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
        let apps: BTreeSet<AppName> = runs.values().map(|run| run.app.clone()).collect();
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
            info!(app = %app, run = %id, verb = %record.verb, by = %record.by, "asked for");
            runs.insert(id.clone(), record);
        }
        if deploy {
            self.supersede(&app, &id)?;
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
            self.metrics.ran(app.as_str(), &run.verb, run.result());
            self.write(run)?;
        }
        Ok(())
    }

    /// Begins what has its turn.
    fn turn(self: &Arc<Self>, app: &AppName) {
        // One that cannot be started is over at once, and the next one's turn comes.
        loop {
            let next = queue::next(&self.runs(), app);
            let Some(id) = next else { return };
            self.begin(&id);
        }
    }

    /// Begins a run, whatever its turn.
    fn begin(self: &Arc<Self>, id: &str) {
        let mut runs = self.runs();
        let Some(run) = runs.get_mut(id) else { return };
        run.state = State::Running;
        run.began = Some(Timestamp::now());
        // A process that nobody knows of would be worse than a run that never began.
        let started = self.write(run).map_err(|e| e.to_string()).and_then(|()| self.start(run));
        match started {
            Ok(child) => {
                run.process = child.id().and_then(ProcessId::of);
                if let Err(error) = self.write(run) {
                    warn!(run = %id, "not written down: {error}");
                }
                info!(app = %run.app, run = %id, verb = %run.verb, "begun");
                let (desk, id) = (Arc::clone(self), id.to_owned());
                tokio::spawn(desk.wait(id, child));
            }
            Err(why) => {
                error!(app = %run.app, run = %id, "not started: {why}");
                run.failed(format!("it could not be started: {why}"));
                self.metrics.ran(run.app.as_str(), &run.verb, run.result());
                if let Err(error) = self.write(run) {
                    warn!(run = %id, "not written down: {error}");
                }
            }
        }
    }

    fn start(&self, run: &Record) -> Result<Child, String> {
        let loaded = Arc::clone(&self.loaded.borrow());
        let app = &run.app;
        let Some(served) = loaded.file.apps.get(app) else {
            return Err(format!("`{app}` is not in serve.toml any more"));
        };
        let store = serde_json::to_string(&loaded.file.store).map_err(|e| e.to_string())?;
        let mut command = Command::new(&self.program);
        command
            .arg(&run.verb)
            .args(&run.flags)
            .arg("--json")
            .arg("--file")
            .arg(&served.deploy_file);
        if let Some(env) = loaded.env(app) {
            command.args(["--env", env.as_str()]);
        }
        match run.verb.as_str() {
            "deploy" => drop(command.arg(LOCK_WAIT)),
            _ => drop(command.arg("--").arg(app.as_str()).args(&run.words)),
        }
        command.env("SHUNT_STORE", store).env_remove("SHUNT_ENV").env("SHUNT_USER", &run.by);
        if let Some(directory) = served.deploy_file.parent() {
            command.current_dir(directory);
        }
        process::start(command, &self.output(&run.id)).map_err(|e| e.to_string())
    }

    /// Waits for a process that this one has started.
    async fn wait(self: Arc<Self>, id: String, mut child: Child) {
        let code = match child.wait().await {
            Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()),
            Err(error) => {
                warn!(run = %id, "its process cannot be waited for: {error}");
                None
            }
        };
        self.over_with(&id, code);
    }

    /// Waits for a process that another daemon has started.
    fn follow(self: &Arc<Self>, run: Record) {
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(process) = run.process {
                info!(app = %run.app, run = %run.id, "still under way");
                process.gone().await;
            }
            desk.over_with(&run.id, None);
        });
    }

    /// A run's process is gone.
    fn over_with(self: &Arc<Self>, id: &str, code: Option<u8>) {
        let app = {
            let mut runs = self.runs();
            let Some(run) = runs.get_mut(id) else { return };
            ended(run, &Output::read(&self.output(id)), code);
            if let Err(error) = self.write(run) {
                warn!(run = %id, "not written down: {error}");
            }
            let (app, verb, result) = (run.app.clone(), run.verb.clone(), run.result().to_owned());
            self.metrics.ran(app.as_str(), &verb, &result);
            let error = run.error.as_deref().unwrap_or_default();
            if run.state == State::Done {
                info!(app = %app, run = %id, verb = %verb, "done");
            } else {
                error!(app = %app, run = %id, verb = %verb, outcome = %result, "{error}");
            }
            for old in queue::old(&runs, &app, KEPT) {
                runs.remove(&old);
                for kind in ["json", "out"] {
                    let _ = fs::remove_file(file_of(&self.directory, &old, kind));
                }
            }
            app
        };
        self.turn(&app);
        self.has_changed();
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

/// How `run` ended, by what it has written and by the code of its process.
fn ended(run: &mut Record, output: &Output, code: Option<u8>) {
    run.ended = Some(Timestamp::now());
    run.process = None;
    let end = output.end();
    let said = end.and_then(|end| u8::try_from(end["exit"].as_u64()?).ok());
    run.exit = code.or(said);
    run.outcome = end.and_then(|end| Some(end["outcome"].as_str()?.to_owned()));
    run.error = end.and_then(|end| Some(end["error"].as_str()?.to_owned()));
    run.state = match run.exit {
        Some(0) => State::Done,
        Some(_) => State::Failed,
        None => State::Interrupted,
    };
    if run.state == State::Interrupted {
        let said = "its process is gone and has not said how it ended";
        run.error.get_or_insert_with(|| said.to_owned());
    } else if run.state == State::Failed && run.error.is_none() {
        // A flag that does not exist, or a panic: what it wrote instead.
        let mut lines = output.events.iter().filter_map(|event| event["line"].as_str());
        run.error = lines.next_back().map(str::to_owned);
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
