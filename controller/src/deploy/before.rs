//! The steps up to the flip: nothing here touches traffic.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::Stage;
use shunt_config::store::Txn;
use shunt_config::{Address, Health, Release, Target};
use tokio::time::{Instant, sleep, timeout_at};

use super::plan::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::announce::announce;
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{Container, Engine, EngineError, Labels, Spec, State, label};
use crate::exit::Failure;
use crate::guard::Stop;
use crate::port::Ports;
use crate::probe::probe;
use crate::prove::{Proved, proved};

/// How often a container is looked at while its health is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// Lines of a container's output that are shown when it fails.
const LAST_LINES: usize = 20;

impl Run<'_> {
    pub(super) async fn pull(&mut self, job: &Job) -> Result<String, Trouble> {
        let engine = self.engine().await?;
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let image = tokio::select! {
            image = engine.pull(&job.image, job.file.run.pull, &mut tell) => image?,
            stop = self.guard.stopped() => return Err(stop.into()),
        };
        let reference = image.reference.clone();
        // An id of this engine alone would tell nobody else what ran; the name given does.
        let shown = if image.by_digest { reference.clone() } else { job.image.clone() };
        self.journal.write(|record| record.image = Some(shown), Txn::new()).await?;
        self.image = Some(reference.clone());
        Ok(reference)
    }

    pub(super) async fn start(&mut self, job: &Job) -> Result<String, Trouble> {
        let engine = self.engine().await?;
        let record = self.journal.record();
        let there = engine.list(&label::of_deploy(&self.app, &record.id)).await?;
        let published =
            engine.list(&Labels::from([(label::PORT.to_owned(), String::new())])).await?;
        let taken = published.iter().filter_map(|c| label::number(c, label::PORT));
        let ports = RefCell::new(Ports::new(job.file.run.port_range, taken));
        // Not to be cancelled: a container that is being created now would be missed by whoever
        // clears away what was started.
        let started = join_all((0..job.file.run.replicas).map(|replica| {
            let old = there.iter().find(|c| label::number(c, label::REPLICA) == Some(replica));
            self.replica(&*engine, job, replica, old, &ports)
        }));
        let started: Result<Vec<_>, _> = started.await.into_iter().collect();
        self.containers = started?;
        let addresses: Vec<_> =
            self.containers.iter().map(|c| address(c, job).to_string()).collect();
        Ok(format!("{} container(s): {}", addresses.len(), addresses.join(" ")))
    }

    /// Sees to it that replica number `replica` runs.
    async fn replica(
        &self,
        engine: &dyn Engine,
        job: &Job,
        replica: u16,
        old: Option<&Container>,
        ports: &RefCell<Ports>,
    ) -> Result<Container, Trouble> {
        match old {
            Some(old) if old.running => return Ok(old.clone()),
            Some(old) => engine.remove(&old.id, Duration::ZERO).await?,
            None => {}
        }
        let record = self.journal.record();
        let (id, slot, store) = (&record.id, record.slot, &self.sight.keys.store);
        loop {
            let Some(port) = ports.borrow_mut().next() else {
                let range = job.file.run.port_range;
                let said = format!("no port of {range} is free on {}", engine.name());
                return Err(Failure::new(crate::exit::Exit::Unhealthy, said)
                    .hint("widen `port_range` in [run], or remove containers that are not used")
                    .into());
            };
            let spec = Spec {
                name: format!("{}-{slot}-{id}-{replica}", self.app),
                image: self.image.clone().unwrap_or_else(|| job.image.clone()),
                labels: label::of_replica(&self.app, store, slot, id, replica, port),
                port: job.file.run.port,
                bind: job.file.run.bind,
                published: port,
            };
            match engine.start(&spec).await {
                Err(EngineError::PortTaken(_)) => {}
                // It has the image and answers: what it says is about this release.
                Err(EngineError::Refused { reason, .. }) => {
                    let said = format!("container {} does not start", spec.name);
                    return Err(Trouble::Unhealthy(said, vec![reason]));
                }
                started => return Ok(started?),
            }
        }
    }

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
        let address = address(container, job);
        let mut passes = 0;
        let mut last = "was not asked yet".to_owned();
        while Instant::now() < deadline {
            match engine.state(&container.id).await {
                Ok(State::Running) => {}
                Ok(State::Ended(how)) => {
                    return Err(format!("the container {how}; last answer: {last}"));
                }
                Ok(State::Gone) => return Err("the container was removed by someone".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
            match timeout_at(deadline, probe(&address, &check)).await {
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
            self.report.progress(&container.name, &format!("{address}: {last}"));
            sleep(LOOK).await;
        }
        let limit = crate::report::show(job.file.limits.health);
        Err(format!("not healthy within {limit}; last answer: {last}"))
    }

    pub(super) async fn announce(&mut self, job: &Job) -> Result<String, Trouble> {
        let keys = self.journal.refresh().await?;
        let record = self.journal.record();
        let slot = record.slot;
        same_active(&keys, record.before.active.as_deref())?;
        let release = Release {
            version: record.version.clone(),
            image: record.image.clone(),
            targets: self.containers.iter().map(|c| Target::new(address(c, job))).collect(),
            health: job.file.health.clone(),
            timeouts: job.file.timeouts.clone(),
            deploy: Some(record.id.clone()),
            engine: record.engine.clone(),
            by: Some(record.who.user.clone()),
            at: Some(Timestamp::now()),
            ..Release::default()
        };
        let (mut txn, replaced) = announce(&keys, slot, &release)?;
        // Without its settings no proxy would look at the app, and nothing could be proved. They
        // change no traffic: until the flip there is nothing they could send requests to.
        if let (None, Some(route)) = (&keys.app, &job.file.route) {
            let value = serde_json::to_vec(route).map_err(|e| Trouble::Store(e.to_string()))?;
            txn = txn.when(keys.unchanged(&AppKey::App)).put(AppKey::App.of(&self.app), value);
        }
        let change = |record: &mut shunt_config::record::Deploy| {
            record.stage = Stage::Announced;
            record.replaced = replaced;
        };
        let tokens = self.journal.write(change, txn).await?;
        let key = AppKey::Slot(slot).of(&self.app).to_string();
        let token =
            tokens.get(&key).cloned().ok_or(Trouble::Store(format!("no token for {key}")))?;
        let said = format!("{} target(s) in `{slot}`", release.targets.len());
        self.announced = Some((token, release));
        Ok(said)
    }

    pub(super) async fn prove(&mut self, job: &Job) -> Result<String, Trouble> {
        let Some((token, release)) = self.announced.clone() else {
            return Err(Trouble::Store("nothing was announced".to_owned()));
        };
        let (slot, limit, report) =
            (self.journal.record().slot, job.file.limits.health, self.report);
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let proof = tokio::select! {
            proof = proved(&mut self.sight, slot, &token, &release, limit, &mut tell) => proof,
            stop = self.guard.stopped() => return Err(stop.into()),
        };
        match proof {
            Proved::Healthy(by) => Ok(format!("{} target(s), by {by}", release.targets.len())),
            Proved::Superseded => {
                Err(Stop::Superseded(format!("`{slot}` was put again by someone else")).into())
            }
            Proved::Unhealthy(said, mut details) => {
                let engine = self.engine().await?;
                for container in &self.containers {
                    details.extend(last_lines(&*engine, container).await);
                }
                Err(Trouble::Unhealthy(said, details))
            }
        }
    }
}

/// Someone who changed `active` meanwhile had a reason that this deploy does not know.
pub(super) fn same_active(keys: &AppKeys, before: Option<&str>) -> Result<(), Stop> {
    let now = keys.active.as_ref().map(Kept::text);
    if now.as_deref() == before {
        return Ok(());
    }
    Err(Stop::Superseded("`active` was put by someone else since the deploy began".to_owned()))
}

/// Where a container answers: the address it is published on, and the port of its label.
fn address(container: &Container, job: &Job) -> Address {
    let port = label::number(container, label::PORT).unwrap_or_default();
    Address::Tcp { host: job.file.run.bind.to_string(), port }
}

async fn last_lines(engine: &dyn Engine, container: &Container) -> Vec<String> {
    let name = &container.name;
    match engine.logs(&container.id, LAST_LINES).await {
        Ok(lines) if lines.is_empty() => vec![format!("{name} has written nothing")],
        Ok(lines) => std::iter::once(format!("the last lines of {name}:"))
            .chain(lines.into_iter().map(|line| format!("| {line}")))
            .collect(),
        Err(error) => vec![format!("the output of {name} is not to be had: {error}")],
    }
}
