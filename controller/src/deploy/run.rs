//! A deploy that is being done: what it works with, and the walk through its steps.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shunt_config::engine::EngineUrl;
use shunt_config::pass::PassKey;
use shunt_config::record::{Deploy, Step, StepTime};
use shunt_config::store::{Store, Txn};
use shunt_config::{App, AppName, Engine, Release, Token};
use tokio::time::sleep;

use super::end::resume;
use super::exposure::Exposure;
use super::host::{Host, Replica};
use super::job::Job;
use super::pause::pause;
use super::trouble::Trouble;
use super::words::what;
use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::journal::Journal;
use crate::lock::Held;
use crate::report::{Ended, PATIENCE, Report};
use crate::sight::Sight;
use crate::stop::Lookout;

/// What a step may take before anything is said of how long it takes.
const MOMENT: Duration = Duration::from_millis(400);

/// A deploy that is being done.
#[derive(Debug)]
pub struct Run<'a> {
    pub(super) report: &'a Report,
    pub(super) store: Arc<dyn Store>,
    pub(super) app: AppName,
    pub(super) journal: Journal,
    pub(super) lookout: Lookout,
    pub(super) sight: Sight,
    /// Where containers are started; nowhere in a deploy that is only finished or undone.
    pub(super) hosts: Vec<Host>,
    /// What was started, once it was.
    pub(super) replicas: Vec<Replica>,
    /// Engines that did not answer when containers were to be removed.
    pub(super) left: Vec<Engine>,
    /// `active` as it stands while the new release's workers do not run and the old ones do.
    pub(super) idle: Option<Token>,
    /// Engines that will not come back: nothing waits for them.
    pub(super) forgotten: Vec<EngineUrl>,
    /// The new release and its announcement, once it was announced.
    pub(super) announced: Option<(Token, Release)>,
    /// `active` as this deploy has put it, once it has for a part of the requests.
    pub(super) active: Option<Token>,
    /// Whether the new release may have been sent a request.
    pub(super) exposure: Exposure,
    /// The app's settings as they are from its announcement on.
    pub(super) settings: Option<App>,
    /// What passes to its previews are signed with.
    pub(super) pass_key: Option<PassKey>,
}

impl<'a> Run<'a> {
    /// A deploy of `record`, which the holder of the lock `held` is about to begin or to take over.
    pub async fn new(
        report: &'a Report,
        store: &Arc<dyn Store>,
        held: &Held,
        keys: &AppKeys,
        record: Deploy,
    ) -> Result<Self, Failure> {
        let app = keys.name.clone();
        let sight = Sight::open(store, &app).await?;
        let left = "left at once, by a second signal: it is half done";
        let left = report.last_word(&Failure::new(Exit::Unreachable, left).hint(resume(&app)));
        let lookout = Lookout::new(store, &app, &record.id, held.clone(), left)?;
        let exposure = Exposure::of(&record);
        let journal = Journal::begin(Arc::clone(store), held.clone(), keys, record);
        Ok(Self {
            report,
            store: Arc::clone(store),
            app,
            journal,
            lookout,
            sight,
            hosts: Vec::new(),
            replicas: Vec::new(),
            left: Vec::new(),
            idle: None,
            forgotten: Vec::new(),
            announced: None,
            active: None,
            exposure,
            settings: None,
            pass_key: None,
        })
    }

    /// The same on `hosts`.
    #[must_use]
    pub fn on(mut self, hosts: Vec<Host>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Does `job`, step by step. What fails is put right as far as it can be.
    pub async fn deploy(mut self, job: &Job) -> Result<(), Failure> {
        let record = self.journal.record();
        let event = json!({ "id": record.id, "app": self.app, "slot": record.slot,
            "version": record.version, "image": record.image });
        self.report.event("deploy", event);
        self.pass_key.clone_from(&job.pass_key);
        let steps = record.plan.clone();
        let done = self.walk(&steps, Some(job)).await;
        Box::pin(self.end(done)).await
    }

    pub(super) async fn walk(&mut self, steps: &[Step], job: Option<&Job>) -> Result<(), Trouble> {
        for step in steps {
            self.begin(*step, job).await?;
            let aside = aside(self.report, self.lookout.signalled(), self.about(*step, job));
            let (ended, said) = tokio::select! {
                done = Box::pin(self.step(*step, job)) => done?,
                never = aside => match never {},
            };
            self.done(*step, ended, &said).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: Step, job: Option<&Job>) -> Result<(Ended, String), Trouble> {
        let said = match (step, job) {
            (Step::Hold, _) => self.hold().await?,
            (Step::Empty, _) => self.empty().await?,
            (Step::Stop, _) => self.stop().await?,
            (Step::Pull, Some(job)) => self.pull(job).await?,
            (Step::Migrate, Some(_)) => self.migrate().await?,
            (Step::Start, Some(job)) => self.start(job).await?,
            (Step::Check, Some(job)) => self.check(job).await?,
            (Step::WarmUp, Some(job)) => return self.warm_up(job).await,
            (Step::Announce, Some(job)) => self.announce(job).await?,
            (Step::Prove, Some(job)) => self.prove(job).await?,
            (Step::Verify, Some(_)) => self.verify().await?,
            (Step::Mirror, Some(job)) => return self.mirror(job).await,
            (Step::Canary, Some(job)) => return self.canary(job).await,
            (Step::Flip, Some(job)) => self.flip(job).await?,
            (Step::Acknowledge, _) => self.acknowledge().await?,
            (Step::Release, _) => return self.release().await,
            (Step::Workers, _) => self.workers().await?,
            (Step::Bake, _) => return self.bake().await,
            (Step::Drain, _) => return self.drain().await,
            (Step::Sessions, _) => return self.sessions().await,
            (Step::Retire, _) => return self.retire().await,
            // A deploy that was taken over before its flip is undone, not gone on with.
            (_, None) => return Ok((Ended::Skipped, "not without the deploy file".to_owned())),
        };
        Ok((Ended::Done, said))
    }

    /// What `step` is about to do, in words.
    fn about(&self, step: Step, job: Option<&Job>) -> String {
        let record = self.journal.record();
        let previous = record.previous.as_ref();
        job.map(|job| what(step, job, record.slot, previous)).unwrap_or_default()
    }

    async fn begin(&mut self, step: Step, job: Option<&Job>) -> Result<(), Trouble> {
        self.report.begin(step.as_str(), &self.about(step, job));
        if let Some(stop) = self.lookout.seen() {
            return Err(stop.into());
        }
        let time = StepTime { step, began: Timestamp::now(), ended: None };
        self.journal.write(|record| record.steps.push(time), Txn::new()).await?;
        pause("before", step, &self.lookout, self.report).await;
        Ok(())
    }

    async fn done(&mut self, step: Step, ended: Ended, said: &str) -> Result<(), Trouble> {
        let now = Timestamp::now();
        let mark = |record: &mut Deploy| {
            if let Some(time) = record.steps.last_mut() {
                time.ended = Some(now);
            }
        };
        self.journal.write(mark, Txn::new()).await?;
        self.report.end(ended, said);
        pause("after", step, &self.lookout, self.report).await;
        Ok(())
    }
}

/// Says what is to be said of a step while nothing comes of it: that it lasts, and that a signal was
/// heard, though what is under way is finished first.
async fn aside(report: &Report, signalled: impl Future<Output = ()>, what: String) -> Infallible {
    let stops = async {
        signalled.await;
        // Most steps stop at once.
        sleep(MOMENT).await;
        report.note("stopping, once what is under way is over; Ctrl-C once more leaves at once");
        pending::<()>().await;
    };
    tokio::join!(lasts(report, &what), stops).0
}

/// Says that a step lasts, if nothing else is said of it.
pub(super) async fn lasts(report: &Report, what: &str) -> Infallible {
    sleep(PATIENCE + MOMENT).await;
    report.still(what);
    pending().await
}
