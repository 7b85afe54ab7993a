//! A release's containers that get no requests. They are made together with the others, so that all of
//! it that can fail does so before the flip, and started after the flip: whoever takes a deploy over
//! finds them by their labels, and needs neither the deploy file nor a secret.

use std::time::Duration;

use futures_util::future::join_all;
use shunt_config::deploy_file::Worker;
use shunt_config::duration;
use shunt_config::engine::EngineUrl;
use tokio::time::{Instant, sleep};

use super::check::last_lines_of;
use super::host::Host;
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::engine::{Container, EngineError, Spec, State, label};
use crate::fence::NotDone;
use crate::time::show;
use crate::workers::{self, Placed};

/// How often a worker is looked at until it is taken to be sound.
const LOOK: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// Makes what is not there yet of those workers on `host` whose numbers are its `own`.
    pub(super) async fn make_workers(
        &self,
        host: &Host,
        job: &Job,
        own: impl Fn(&u16) -> bool,
    ) -> Result<(), Trouble> {
        if job.file.workers.is_empty() {
            return Ok(());
        }
        let labels = label::of_deploy(&self.app, &self.journal.record().id);
        let there = host.engine.list(&labels).await?;
        for worker in &job.file.workers {
            for replica in (0..worker.replicas).filter(&own) {
                let made = |c: &Container| {
                    c.labels.get(label::WORKER) == Some(&worker.name)
                        && label::number(c, label::REPLICA) == Some(replica)
                };
                if !there.iter().any(made) {
                    self.make_worker(host, job, worker, replica).await?;
                }
            }
        }
        Ok(())
    }

    async fn make_worker(
        &self,
        host: &Host,
        job: &Job,
        worker: &Worker,
        replica: u16,
    ) -> Result<(), Trouble> {
        let record = self.journal.record();
        let (id, slot, store) = (&record.id, record.slot, &self.sight.keys.store);
        let spec = Spec {
            name: format!("{}-{slot}-{id}-{}-{replica}", self.app, worker.name),
            image: host.image.clone().or_else(|| job.image.clone()).unwrap_or_default(),
            labels: label::of_worker(&self.app, store, slot, id, worker, replica),
            publish: None,
            settings: workers::settings(worker),
            environment: workers::environment(&job.environment, worker),
            grace: record.limits.stop,
        };
        match self.journal.fence().act(host.engine.create(&spec)).await {
            Err(NotDone::Engine(EngineError::Refused { reason, .. })) => {
                let said = format!("container {} cannot be made", spec.name);
                Err(Trouble::Unhealthy(said, vec![reason]))
            }
            created => Ok(created.map(drop)?),
        }
    }

    /// Starts the new workers, and stops the old ones once the new ones run.
    pub(super) async fn workers(&mut self) -> Result<String, Trouble> {
        let keys = self.journal.refresh().await?;
        let (id, grace) = (self.journal.record().id.clone(), self.journal.record().limits.stop);
        let mut found = workers::of_app(&keys).await;
        let fence = self.journal.fence();
        // Where the new ones are, they have to be found; an old one that is out of reach is told.
        let own = &self.journal.record().engines;
        let given_up = |url: &EngineUrl| self.forgotten.contains(url);
        let needed = |url: &EngineUrl| own.iter().any(|engine| engine.url == *url);
        let is_missed = |(url, _): &(EngineUrl, EngineError)| needed(url) && !given_up(url);
        if let Some(at) = found.silent.iter().position(is_missed) {
            return Err(found.silent.swap_remove(at).1.into());
        }
        for (_, error) in &found.silent {
            self.report.note(&format!("old workers may go on: {error}"));
        }
        let (new, old) = workers::split(found.placed, Some(&id));
        workers::wake(&fence, &new).await?.all()?;
        let settled = join_all(new.iter().map(|worker| self.settled(worker)));
        let settled = tokio::select! {
            settled = settled => settled,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let details: Vec<String> = settled.into_iter().filter_map(Result::err).flatten().collect();
        if !details.is_empty() {
            workers::halt(&fence, &started(new), grace).await?.all()?;
            let said = "the new workers do not run; the old ones go on".to_owned();
            return Err(Trouble::Workers(said, details));
        }
        let stopped = workers::halt(&fence, &old, grace).await?.all()?;
        Ok(format!("{} run, {stopped} old one(s) stopped", new.len()))
    }

    /// Waits until `worker` has run for long enough; it fails at once if it ends.
    async fn settled(&self, worker: &Placed) -> Result<(), Vec<String>> {
        let Placed { engine, container } = worker;
        let settle = container.labels.get(label::SETTLE).and_then(|t| duration::parse(t).ok());
        let settle = settle.unwrap_or_default();
        let deadline = Instant::now() + settle;
        loop {
            let why = match engine.state(&container.id).await {
                Ok(State::Running) if Instant::now() >= deadline => return Ok(()),
                Ok(State::Running) => {
                    let text = format!("{} has to run for {}", container.name, show(settle));
                    self.report.progress(&container.name, &text);
                    sleep(LOOK.min(deadline - Instant::now())).await;
                    continue;
                }
                Ok(State::Ended(how) | State::Failing(how)) => how,
                Ok(State::Gone) => "was removed by someone".to_owned(),
                Err(error) => error.to_string(),
            };
            let mut details = vec![format!("{}: {why}", container.name)];
            details.extend(last_lines_of(&**engine, container).await);
            return Err(details);
        }
    }

    /// The workers of what is active run, and no others. Why not, where that fails, is told.
    pub(super) async fn workers_follow(&self) {
        workers::follow(self.report, &self.journal.fence()).await;
    }
}

/// The same as they are after they were started.
fn started(mut all: Vec<Placed>) -> Vec<Placed> {
    for one in &mut all {
        one.container.running = true;
    }
    all
}
