//! The step in which each new container is asked for its health, from here.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::{Address, Health};
use tokio::time::{Instant, sleep, timeout_at};

use super::plan::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::Kept;
use crate::engine::{Container, Engine, State, label};
use crate::probe::probe;
use crate::time::show;

/// How often a container is looked at while its health is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// The same while the proxies prove it.
const AGAIN: Duration = Duration::from_secs(1);

/// Lines of a container's output that are shown when it fails.
const LAST_LINES: usize = 20;

impl Run<'_> {
    pub(super) async fn check(&mut self, job: &Job) -> Result<String, Trouble> {
        let engine = self.engine().await?;
        let began = Instant::now();
        let deadline = began + job.file.limits.health;
        let all = self.containers.iter().map(|c| self.healthy(&*engine, c, job, deadline));
        let results = tokio::select! {
            results = join_all(all) => results,
            stop = self.guard.stopped() => return Err(stop.into()),
        };
        let mut details = Vec::new();
        for (container, result) in self.containers.iter().zip(results) {
            if let Err(said) = result {
                details.push(format!(
                    "{} ({}) from here: {said}",
                    address(container, job),
                    container.name
                ));
                details.extend(last_lines(&*engine, container).await);
            }
        }
        if details.is_empty() {
            return Ok(format!("{} healthy, as asked from here", self.containers.len()));
        }
        Err(Trouble::Unhealthy("the new release is not healthy".to_owned(), details))
    }

    /// Waits until `container` has passed its check often enough; it fails at once if it ends.
    async fn healthy(
        &self,
        engine: &dyn Engine,
        container: &Container,
        job: &Job,
        deadline: Instant,
    ) -> Result<(), String> {
        let app = self.sight.keys.app.as_ref().and_then(Kept::ok);
        let defaults = app.map_or_else(Health::default, |app| app.health.clone());
        let check = job.file.health.over(&defaults);
        let (address, protocol) = (address(container, job), job.file.run.protocol);
        let (began, limit) = (Instant::now(), job.file.limits.health);
        let mut passes = 0;
        let mut last = "was not asked yet".to_owned();
        while Instant::now() < deadline {
            let ready = match engine.state(&container.id).await {
                Ok(State::Running) => Ok(()),
                Ok(State::Failing(how)) => Err(how),
                Ok(State::Ended(how)) => {
                    return Err(format!("the container {how}; last answer: {last}"));
                }
                Ok(State::Gone) => return Err("the container was removed by someone".to_owned()),
                Err(error) => return Err(error.to_string()),
            };
            let asked = async {
                ready?;
                let said = probe(&address, protocol, &check).await?;
                match &job.file.ready {
                    Some(command) => {
                        engine.exec(&container.id, command).await.map_err(|e| e.to_string())??;
                        Ok(format!("{said}, and `{command}` ended well"))
                    }
                    None => Ok(said),
                }
            };
            match timeout_at(deadline, asked).await {
                Ok(Ok(said)) => {
                    passes += 1;
                    last = said;
                    if passes >= check.rise {
                        return Ok(());
                    }
                }
                Ok(Err(said)) => (passes, last) = (0, said),
                Err(_) => break,
            }
            let waits = format!("waiting {} of {}", show(began.elapsed()), show(limit));
            let key = format!("{} {last}", container.name);
            self.report.progress(&key, &format!("{waits}: {address}: {last}"));
            sleep(LOOK).await;
        }
        Err(format!("not healthy within {}; last answer: {last}", show(limit)))
    }
}

/// Waits until one of `containers` has ended: what there is to say of it.
pub(super) async fn broken(engine: &dyn Engine, containers: &[Container]) -> Vec<String> {
    loop {
        for container in containers {
            // An engine that does not answer says nothing about the container.
            let how = match engine.state(&container.id).await {
                Ok(State::Ended(how)) => how,
                Ok(State::Gone) => "was removed by someone".to_owned(),
                Ok(State::Running | State::Failing(_)) | Err(_) => continue,
            };
            let mut details = vec![format!("the container {} {how}", container.name)];
            details.extend(last_lines(engine, container).await);
            return details;
        }
        sleep(AGAIN).await;
    }
}

/// Where a container answers: the address it is published on, and the port of its label.
pub(super) fn address(container: &Container, job: &Job) -> Address {
    let port = label::number(container, label::PORT).unwrap_or_default();
    Address::Tcp { host: job.file.run.bind.to_string(), port }
}

pub(super) async fn last_lines(engine: &dyn Engine, container: &Container) -> Vec<String> {
    let name = &container.name;
    match engine.logs(&container.id, LAST_LINES).await {
        Ok(lines) if lines.is_empty() => vec![format!("{name} has written nothing")],
        Ok(lines) => std::iter::once(format!("the last lines of {name}:"))
            .chain(lines.into_iter().map(|line| format!("| {line}")))
            .collect(),
        Err(error) => vec![format!("the output of {name} is not to be had: {error}")],
    }
}
