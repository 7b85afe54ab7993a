//! A release's containers that get no requests. They are made together with the others, so that all of
//! it that can fail does so before the flip, and started after the flip: whoever takes a deploy over
//! finds them by their labels, and needs neither the deploy file nor a secret.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::deploy_file::Worker;
use shunt_config::duration;
use tokio::time::{Instant, sleep};

use super::check::last_lines;
use super::plan::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::engine::{Container, Engine, EngineError, Spec, State, label};
use crate::time::show;
use crate::workers;

/// How often a worker is looked at until it is taken to be sound.
const LOOK: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// Makes what is not there yet of the workers.
    pub(super) async fn make_workers(
        &self,
        engine: &dyn Engine,
        job: &Job,
        there: &[Container],
    ) -> Result<(), Trouble> {
        for worker in &job.file.workers {
            for replica in 0..worker.replicas {
                let made = |c: &Container| {
                    c.labels.get(label::WORKER) == Some(&worker.name)
                        && label::number(c, label::REPLICA) == Some(replica)
                };
                if !there.iter().any(made) {
                    self.make_worker(engine, job, worker, replica).await?;
                }
            }
        }
        Ok(())
    }

    async fn make_worker(
        &self,
        engine: &dyn Engine,
        job: &Job,
        worker: &Worker,
        replica: u16,
    ) -> Result<(), Trouble> {
        let record = self.journal.record();
        let (id, slot, store) = (&record.id, record.slot, &self.sight.keys.store);
        let spec = Spec {
            name: format!("{}-{slot}-{id}-{}-{replica}", self.app, worker.name),
            image: self.image.clone().unwrap_or_else(|| job.image.clone()),
            labels: label::of_worker(&self.app, store, slot, id, worker, replica),
            publish: None,
            settings: workers::settings(worker),
            environment: workers::environment(&job.environment, worker),
            grace: record.limits.stop,
        };
        match engine.create(&spec).await {
            Err(EngineError::Refused { reason, .. }) => {
                let said = format!("container {} cannot be made", spec.name);
                Err(Trouble::Unhealthy(said, vec![reason]))
            }
            created => Ok(created.map(drop)?),
        }
    }

    /// Starts the new workers, and stops the old ones once the new ones run.
    pub(super) async fn workers(&mut self) -> Result<String, Trouble> {
        let engine = self.engine().await?;
        let (id, grace) = (self.journal.record().id.clone(), self.journal.record().limits.stop);
        let all = workers::of_app(&*engine, &self.app, &self.sight.keys.store).await?;
        let (new, old) = workers::split(&all, Some(&id));
        for worker in &new {
            engine.wake(&worker.id).await?;
        }
        let settled = join_all(new.iter().map(|worker| self.settled(&*engine, worker)));
        let settled = tokio::select! {
            settled = settled => settled,
            stop = self.guard.stopped() => return Err(stop.into()),
        };
        let details: Vec<String> = settled.into_iter().filter_map(Result::err).flatten().collect();
        if !details.is_empty() {
            workers::halt(&*engine, &new, grace).await?;
            let said = "the new workers do not run; the old ones go on".to_owned();
            return Err(Trouble::Workers(said, details));
        }
        let stopped = workers::halt(&*engine, &old, grace).await?;
        Ok(format!("{} run, {stopped} old one(s) stopped", new.len()))
    }

    /// Waits until `worker` has run for long enough; it fails at once if it ends.
    async fn settled(&self, engine: &dyn Engine, worker: &Container) -> Result<(), Vec<String>> {
        let settle = worker.labels.get(label::SETTLE).and_then(|text| duration::parse(text).ok());
        let settle = settle.unwrap_or_default();
        let deadline = Instant::now() + settle;
        loop {
            let why = match engine.state(&worker.id).await {
                Ok(State::Running) if Instant::now() >= deadline => return Ok(()),
                Ok(State::Running) => {
                    let text = format!("{} has to run for {}", worker.name, show(settle));
                    self.report.progress(&worker.name, &text);
                    sleep(LOOK.min(deadline - Instant::now())).await;
                    continue;
                }
                Ok(State::Ended(how) | State::Failing(how)) => how,
                Ok(State::Gone) => "was removed by someone".to_owned(),
                Err(error) => error.to_string(),
            };
            let mut details = vec![format!("{}: {why}", worker.name)];
            details.extend(last_lines(engine, worker).await);
            return Err(details);
        }
    }

    /// The workers of what is active run, and no others. Why not, where that fails, is told.
    pub(super) async fn workers_follow(&self) {
        workers::follow(self.report, &*self.store, &self.app).await;
    }
}
