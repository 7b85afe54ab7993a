//! The step in which containers are started, spread over the hosts, or units on each.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::host::{Host, Replica};
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::engine::{self, Container, EngineError, Labels, Life, Publish, Spec, label};
use crate::exit::{Exit, Failure};
use crate::fence::NotDone;
use crate::port::Ports;
use crate::stop::{Lookout, Stop};

/// How long an engine may take to answer once the deploy is to stop.
const PATIENCE: Duration = Duration::from_secs(10);

impl Run<'_> {
    pub(super) async fn start(&mut self, job: &Job) -> Result<String, Trouble> {
        let n = self.hosts.len();
        // Not to be cancelled while its engine answers: a container that is being created now would be
        // missed by whoever clears away what was started.
        let run = &*self;
        let all = run.hosts.iter().enumerate().map(|(nth, host)| async move {
            if let Some(units) = &job.file.run.units {
                return run.start_units(host, nth, job, units).await;
            }
            let own = move |replica: &u16| usize::from(*replica) % n == nth;
            let started = run.start_on(host, job, (0..job.file.run.replicas).filter(own)).await?;
            run.make_workers(host, job, own).await?;
            Ok(started)
        });
        let started: Result<Vec<_>, Trouble> = tokio::select! {
            started = join_all(all) => started.into_iter().collect(),
            stop = overdue(&self.lookout) => return Err(stop.into()),
        };
        self.replicas = started?.concat();
        let addresses: Vec<_> = self.replicas.iter().map(|r| r.address.to_string()).collect();
        let started = engine::count(addresses.len(), &self.journal.record().engines);
        Ok(format!("{started}: {}", addresses.join(" ")))
    }

    /// Starts the replicas of these numbers on `host`.
    async fn start_on(
        &self,
        host: &Host,
        job: &Job,
        numbers: impl Iterator<Item = u16>,
    ) -> Result<Vec<Replica>, Trouble> {
        let there =
            host.engine.list(&label::of_deploy(&self.app, &self.journal.record().id)).await?;
        let published = Labels::from([(label::PORT.to_owned(), String::new())]);
        let published = host.engine.list(&published).await?;
        let taken = published.iter().filter_map(|c| label::number(c, label::PORT));
        let ports = RefCell::new(Ports::new(job.file.run.port_range, taken));
        let started = join_all(numbers.map(|number| {
            let same = |c: &&Container| label::number(c, label::REPLICA) == Some(number);
            let old = there.iter().filter(|c| !label::is_worker(c)).find(same);
            self.replica(host, job, number, old, &ports)
        }));
        started.await.into_iter().collect()
    }

    /// Sees to it that replica number `replica` runs.
    async fn replica(
        &self,
        host: &Host,
        job: &Job,
        number: u16,
        old: Option<&Container>,
        ports: &RefCell<Ports>,
    ) -> Result<Replica, Trouble> {
        let (engine, fence) = (&host.engine, self.journal.fence());
        match old {
            Some(old) if old.life == Life::Runs => {
                let port = label::number(old, label::PORT).unwrap_or_default();
                return Ok(host.replica(old.clone(), port));
            }
            Some(old) => fence.act(engine.remove(&old.id, Duration::ZERO)).await?,
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
                name: format!("{}-{slot}-{id}-{number}", self.app),
                image: host.image.clone().or_else(|| job.image.clone()).unwrap_or_default(),
                labels: label::of_replica(&self.app, store, slot, id, number, port),
                publish: Some(Publish {
                    port: job.file.run.port,
                    bind: host.named.address,
                    published: port,
                }),
                settings: job.file.run.settings.clone(),
                environment: job.environment.clone(),
                grace: record.limits.stop,
            };
            match fence.act(engine.start(&spec)).await {
                Err(NotDone::Engine(EngineError::PortTaken(_))) => {}
                // It has the image and answers: what it says is about this release.
                Err(NotDone::Engine(EngineError::Refused { reason, .. })) => {
                    let said =
                        format!("container {} does not start on {}", spec.name, engine.name());
                    return Err(Trouble::Unhealthy(said, vec![reason]));
                }
                started => return Ok(host.replica(started?, port)),
            }
        }
    }
}

/// Waits until the deploy was stopped and an engine has had its time to answer all the same.
async fn overdue(lookout: &Lookout) -> Stop {
    let stop = lookout.stopped().await;
    sleep(PATIENCE).await;
    stop
}
