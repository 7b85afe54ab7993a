//! The first steps: the image is pulled, and containers are started from it.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::store::Txn;

use super::check::address;
use super::plan::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::engine::{Container, Engine, EngineError, Labels, Publish, Spec, label};
use crate::exit::{Exit, Failure};
use crate::port::Ports;

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
        let (workers, there): (Vec<_>, Vec<_>) = there.into_iter().partition(label::is_worker);
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
        self.make_workers(&*engine, job, &workers).await?;
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
                return Err(Failure::new(Exit::Unhealthy, said)
                    .hint("widen `port_range` in [run], or remove containers that are not used")
                    .into());
            };
            let spec = Spec {
                name: format!("{}-{slot}-{id}-{replica}", self.app),
                image: self.image.clone().unwrap_or_else(|| job.image.clone()),
                labels: label::of_replica(&self.app, store, slot, id, replica, port),
                publish: Some(Publish {
                    port: job.file.run.port,
                    bind: job.file.run.bind,
                    published: port,
                }),
                settings: job.file.run.settings.clone(),
                environment: job.environment.clone(),
                grace: record.limits.stop,
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
}
