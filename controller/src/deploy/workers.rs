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
use crate::engine::{Container, EngineError, Life, Spec, State, label};
use crate::fence::NotDone;
use crate::time::show;
use crate::workers::{self, Found, Placed};

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
        let grace = self.journal.record().limits.stop;
        let needed =
            |url: &EngineUrl| self.journal.record().engines.iter().any(|engine| engine.url == *url);
        // The new ones need not wait for an engine that only old ones are on.
        let elsewhere = workers::of_app_on(&keys, |url| !needed(url));
        let begun = self.begin_workers(workers::of_app_on(&keys, needed));
        let (begun, elsewhere) = tokio::try_join!(begun, async { Ok(elsewhere.await) })?;
        let (new, mut old, silent) = begun;
        old.extend(elsewhere.placed);
        for (_, error) in silent.iter().chain(&elsewhere.silent) {
            self.report.note(&format!("old workers may go on: {error}"));
        }
        let stopped = workers::halt(&self.journal.fence(), &old, grace).await?.all()?;
        Ok(format!("{new} run, {stopped} old one(s) stopped"))
    }

    /// Starts those of the new workers that are `found` on the engines of this deploy, and waits until they are
    /// sound: how many, and what else was found.
    async fn begin_workers(
        &self,
        found: impl Future<Output = Found>,
    ) -> Result<(usize, Vec<Placed>, Vec<(EngineUrl, EngineError)>), Trouble> {
        let (fence, record) = (self.journal.fence(), self.journal.record());
        let Found { placed, mut silent } = found.await;
        // They have to be found; an old one that is out of reach is told.
        if let Some(at) = silent.iter().position(|(url, _)| !self.forgotten.contains(url)) {
            return Err(silent.swap_remove(at).1.into());
        }
        let (new, old) = workers::split(placed, Some(&record.id));
        workers::wake(&fence, &new).await?.all()?;
        let settled = join_all(new.iter().map(|worker| self.settled(worker)));
        let settled = tokio::select! {
            settled = settled => settled,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let details: Vec<String> = settled.into_iter().filter_map(Result::err).flatten().collect();
        if details.is_empty() {
            return Ok((new.len(), old, silent));
        }
        workers::halt(&fence, &started(new), record.limits.stop).await?.all()?;
        let said = "the new workers do not run; the old ones go on".to_owned();
        Err(Trouble::Workers(said, details))
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
        one.container.life = Life::Runs;
    }
    all
}
