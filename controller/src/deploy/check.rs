//! The step in which each new container is asked for its health, from here.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::Health;
use shunt_config::command::Command;
use tokio::time::{Instant, sleep, timeout_at};

use super::host::Replica;
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::Kept;
use crate::engine::{Container, Engine, EngineError, State, in_time};
use crate::probe::{Down, probe};
use crate::time::show;

/// How often a container is looked at while its health is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// How often, while the proxies ask it for its health.
const GLANCE: Duration = Duration::from_secs(1);

/// Lines of a container's output that are shown when it fails.
const LAST_LINES: usize = 20;

impl Run<'_> {
    pub(super) async fn check(&mut self, job: &Job) -> Result<String, Trouble> {
        let deadline = Instant::now() + job.file.limits.health;
        let all = self.replicas.iter().map(|replica| self.healthy(replica, job, deadline));
        let results = tokio::select! {
            results = join_all(all) => results,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let (mut details, mut out_of_reach) = (Vec::new(), Vec::new());
        for (replica, result) in self.replicas.iter().zip(results) {
            let (address, name) = (&replica.address, &replica.container.name);
            match result {
                Ok(Checked::Healthy) => {}
                Ok(Checked::OutOfReach) => out_of_reach.push(address.to_string()),
                Err(Unhealthy::Engine(error)) => return Err(error.into()),
                Err(Unhealthy::Silent(said)) => {
                    details.push(format!("{address} ({name}) from here: {said}"));
                    if job.file.run.units.is_none() {
                        let port = job.file.run.port;
                        details.push(format!(
                            "does the app listen on `port` {port} in its container, and not on its \
                             127.0.0.1 alone?"
                        ));
                    }
                    details.extend(last_lines(replica).await);
                }
                Err(Unhealthy::Said(said)) => {
                    details.push(format!("{address} ({name}) from here: {said}"));
                    details.extend(last_lines(replica).await);
                }
            }
        }
        if !details.is_empty() {
            return Err(Trouble::Unhealthy("the new release is not healthy".to_owned(), details));
        }
        let healthy = self.replicas.len() - out_of_reach.len();
        let said = format!("{healthy} healthy, as asked from here");
        if out_of_reach.is_empty() {
            return Ok(said);
        }
        let which = out_of_reach.join(" ");
        Ok(format!("{said}; left to the proxies, since out of reach from here: {which}"))
    }

    /// Waits until `replica` has passed its check often enough; it fails at once if it ends.
    async fn healthy(
        &self,
        replica: &Replica,
        job: &Job,
        deadline: Instant,
    ) -> Result<Checked, Unhealthy> {
        let app = self.sight.keys.app.as_ref().and_then(Kept::ok);
        let defaults = app.map_or_else(Health::default, |app| app.health.clone());
        let check = job.file.health.over(&defaults);
        let (address, protocol) = (&replica.address, job.file.run.protocol);
        let (began, limit) = (Instant::now(), job.file.limits.health);
        let mut passes = 0;
        let mut last = "was not asked yet".to_owned();
        while Instant::now() < deadline {
            let state = replica.engine.state(&replica.container.id).await;
            let state = state.map_err(Unhealthy::Engine)?;
            if let Some(how) = over(&state, replica.engine.noun()) {
                return Err(Unhealthy::Said(format!("{how}; last answer: {last}")));
            }
            let asked = async {
                if let State::Failing(how) = state {
                    return Err(Down::Unhealthy(how));
                }
                let answer = probe(address, protocol, &check).await;
                let counts = match &answer {
                    Ok(_) => true,
                    Err(Down::OutOfReach(_)) => replica.elsewhere,
                    Err(Down::Unhealthy(_)) => false,
                };
                match job.file.ready.as_ref().filter(|_| counts) {
                    Some(command) => ready(replica, command).await.and(answer),
                    None => answer,
                }
            };
            match timeout_at(deadline, asked).await {
                Ok(Ok(said)) => {
                    passes += 1;
                    last = said;
                    if passes >= check.rise {
                        return Ok(Checked::Healthy);
                    }
                }
                // The proxies are asked next in any case, and theirs is the proof that counts.
                Ok(Err(Down::OutOfReach(_))) if replica.elsewhere => {
                    return Ok(Checked::OutOfReach);
                }
                Ok(Err(down)) => (passes, last) = (0, down.to_string()),
                Err(_) => break,
            }
            let waits = format!("waiting {} of {}", show(began.elapsed()), show(limit));
            let key = format!("{} {last}", replica.container.name);
            self.report.progress(&key, &format!("{waits}: {address}: {last}"));
            sleep(LOOK).await;
        }
        let said = format!("not healthy within {}; last answer: {last}", show(limit));
        // Docker's own forwarder takes the connection where nobody listens behind it, and closes it.
        let silent = ["no answer: ", "connected, then closed", "connect: "];
        Err(match silent.iter().any(|begin| last.starts_with(begin)) {
            true => Unhealthy::Silent(said),
            false => Unhealthy::Said(said),
        })
    }
}

/// What a check from here has shown.
enum Checked {
    Healthy,
    /// Its address cannot be reached from here, which need not mean that no proxy can.
    OutOfReach,
}

/// Why a check failed.
enum Unhealthy {
    Said(String),
    /// It runs, and nobody answers at its port.
    Silent(String),
    Engine(EngineError),
}

/// How `replica` ended, if it has.
async fn gone(replica: &Replica) -> Result<Option<String>, EngineError> {
    let state = replica.engine.state(&replica.container.id).await?;
    Ok(over(&state, replica.engine.noun()))
}

fn over(state: &State, noun: &str) -> Option<String> {
    match state {
        State::Running | State::Failing(_) => None,
        State::Ended(how) => Some(format!("the {noun} {how}")),
        State::Gone => Some(format!("the {noun} was removed by someone")),
    }
}

/// Runs the command that says whether a release is ready.
async fn ready(replica: &Replica, command: &Command) -> Result<(), Down> {
    match replica.engine.exec(&replica.container.id, command).await {
        Ok(ended) => ended.map_err(Down::Unhealthy),
        Err(error) => Err(Down::Unhealthy(error.to_string())),
    }
}

/// Waits until one of `replicas` ends. An engine that does not answer says nothing of that.
pub(super) async fn ended(replicas: &[Replica]) -> String {
    loop {
        for replica in replicas {
            if let Ok(Some(how)) = gone(replica).await {
                return format!("{} ({}): {how}", replica.address, replica.container.name);
            }
        }
        sleep(GLANCE).await;
    }
}

pub(super) async fn last_lines(replica: &Replica) -> Vec<String> {
    last_lines_of(&*replica.engine, &replica.container).await
}

pub(super) async fn last_lines_of(engine: &dyn Engine, container: &Container) -> Vec<String> {
    let name = &container.name;
    match in_time(engine.name(), engine.logs(&container.id, LAST_LINES)).await {
        Ok(lines) if lines.is_empty() => vec![format!("{name} has written nothing")],
        Ok(lines) => std::iter::once(format!("the last lines of {name}:"))
            .chain(lines.into_iter().map(|line| format!("| {line}")))
            .collect(),
        Err(error) => vec![format!("the output of {name} is not to be had: {error}")],
    }
}
