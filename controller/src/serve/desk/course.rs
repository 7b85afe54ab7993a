//! The course of a run: its turn, its process, its end.

use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use shunt_config::AppName;
use tokio::process::{Child, Command};
use tracing::{error, info, warn};

use super::output::Output;
use super::record::{Record, State};
use super::{Desk, KEPT, LOCK_WAIT, file_of, process, queue};
use crate::process::ProcessId;

impl Desk {
    /// Begins what has its turn.
    pub(super) fn turn(self: &Arc<Self>, app: &AppName) {
        // One that cannot be started is over at once, and the next one's turn comes.
        loop {
            let next = queue::next(&self.runs(), app);
            let Some(id) = next else { return };
            self.begin(&id);
        }
    }

    /// Begins a run, whatever its turn.
    pub(super) fn begin(self: &Arc<Self>, id: &str) {
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
                info!(app = %run.order.app, run = %id, verb = %run.order.verb, "begun");
                let (desk, id) = (Arc::clone(self), id.to_owned());
                tokio::spawn(desk.wait(id, child));
            }
            Err(why) => {
                error!(app = %run.order.app, run = %id, "not started: {why}");
                run.failed(format!("it could not be started: {why}"));
                self.metrics.ran(run.order.app.as_str(), &run.order.verb, run.result());
                if let Err(error) = self.write(run) {
                    warn!(run = %id, "not written down: {error}");
                }
            }
        }
    }

    fn start(&self, run: &Record) -> Result<Child, String> {
        let loaded = Arc::clone(&self.loaded.borrow());
        let app = &run.order.app;
        let Some(served) = loaded.file.apps.get(app) else {
            return Err(format!("`{app}` is not in serve.toml any more"));
        };
        let store = serde_json::to_string(&loaded.file.store).map_err(|e| e.to_string())?;
        let mut command = Command::new(&self.program);
        command
            .arg(&run.order.verb)
            .args(&run.order.flags)
            .arg("--json")
            .arg("--file")
            .arg(&served.deploy_file);
        if let Some(env) = loaded.env(app) {
            command.args(["--env", env.as_str()]);
        }
        match run.order.verb.as_str() {
            "deploy" => drop(command.arg(LOCK_WAIT)),
            _ => drop(command.arg("--").arg(app.as_str()).args(&run.order.words)),
        }
        command.env("SHUNT_STORE", store).env_remove("SHUNT_ENV").env("SHUNT_USER", &run.order.by);
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
    pub(super) fn follow(self: &Arc<Self>, run: Record) {
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(process) = run.process {
                info!(app = %run.order.app, run = %run.id, "still under way");
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
            let (app, verb, result) =
                (run.order.app.clone(), run.order.verb.clone(), run.result().to_owned());
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
