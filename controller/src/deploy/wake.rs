//! The way back to a release that was stopped, since it must not run beside the one that is taken back:
//! engine by engine, so that one that hangs keeps nobody from what runs on the others.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use shunt_config::Engine;
use shunt_config::engine::EngineUrl;
use shunt_config::record::Step;
use tokio::time::sleep;

use super::run::Run;
use super::stop::{active, deploys};
use super::trouble::Trouble;
use crate::app_keys::AppKeys;
use crate::engine::{self, Life, label};
use crate::fence::NotDone;
use crate::workers::left_stopping;

/// How long engines that have not answered are waited for where another could start something again.
const MOMENT: Duration = Duration::from_secs(2);

/// Engines on which the old release was not started again.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    /// Those that did not do it.
    pub(super) failed: Vec<EngineUrl>,
    /// Those that have not answered yet.
    pub(super) late: Vec<Engine>,
}

impl Asleep {
    /// All of them.
    pub(super) fn urls(&self) -> Vec<EngineUrl> {
        let late = self.late.iter().map(|engine| engine.url.clone());
        self.failed.iter().cloned().chain(late).collect()
    }
}

impl Run<'_> {
    /// Stops what runs of this deploy, and starts again what a key names of the others. A host that is away
    /// keeps no other from serving again, but where this deploy has started something: that is waited for, as
    /// long as an engine may take to answer.
    pub(super) async fn wake_others(&mut self) -> Result<Asleep, Trouble> {
        let keys = self.journal.refresh().await?;
        let mut asleep = Asleep::default();
        let mut engines = self.engines(&keys);
        if self.journal.record().has_begun(Step::Start) {
            let record = self.journal.record();
            let own = |engine: &&Engine| record.engines.iter().any(|own| own.url == engine.url);
            let run = &*self;
            let halts = engines
                .iter()
                .filter(own)
                .map(|named| async move { (named.url.clone(), run.halt_own(named).await) });
            for (url, halted) in join_all(halts).await {
                asleep.failed.extend(self.told(url, halted)?);
            }
            engines.retain(|engine| !asleep.failed.contains(&engine.url));
        }
        self.wake_on(engines, &keys, false, &mut asleep).await?;
        Ok(asleep)
    }

    /// The same for those that had not answered by then.
    pub(super) async fn wake_late(&mut self, late: Vec<Engine>) -> Result<(), Trouble> {
        if late.is_empty() {
            return Ok(());
        }
        let keys = self.journal.refresh().await?;
        self.wake_on(late, &keys, true, &mut Asleep::default()).await
    }

    /// Starts on `engines` what is to run again. Unless `all` of them are waited for, those that have not
    /// answered are left as late soon after others have started something of all that is active.
    async fn wake_on(
        &self,
        engines: Vec<Engine>,
        keys: &AppKeys,
        all: bool,
        asleep: &mut Asleep,
    ) -> Result<(), Trouble> {
        let deploys = &deploys(keys, self.journal.record().replaced.as_ref());
        let active: BTreeSet<String> =
            active(keys).filter_map(|kept| kept.ok()?.deploy.clone()).collect();
        // One that has answered and is at work is waited for.
        let answered = &Cell::new(0);
        let mut waking: FuturesUnordered<_> = engines
            .iter()
            .map(|named| async move {
                (&named.url, self.wake_named(named, keys, deploys, answered).await)
            })
            .collect();
        let (mut over, mut woken) = (BTreeSet::new(), BTreeSet::new());
        while !waking.is_empty() {
            tokio::select! {
                Some((url, done)) = waking.next() => {
                    over.insert(url.clone());
                    let done = done.map(|deploys| woken.extend(deploys));
                    asleep.failed.extend(self.told(url.clone(), done)?);
                }
                () = sleep(MOMENT), if !all && active.is_subset(&woken) => {
                    if over.len() >= answered.get() {
                        break;
                    }
                }
            }
        }
        drop(waking);
        asleep.late.extend(engines.into_iter().filter(|engine| !over.contains(&engine.url)));
        Ok(())
    }

    /// The engine at `url`, if it has not `done` it, which is told; an error if the lock is lost.
    fn told(
        &self,
        url: EngineUrl,
        done: Result<(), NotDone>,
    ) -> Result<Option<EngineUrl>, Trouble> {
        match done {
            Ok(()) => Ok(None),
            Err(NotDone::Engine(error)) => {
                let app = &self.app;
                let hint = format!("`shuntctl resume {app} --forget {url}` gives it up");
                self.report.note(&format!("not put back there: {error}; {hint}"));
                Ok(Some(url))
            }
            Err(lost @ NotDone::Store(_)) => Err(lost.into()),
        }
    }

    async fn halt_own(&self, named: &Engine) -> Result<(), NotDone> {
        let (fence, record) = (self.journal.fence(), self.journal.record());
        let (engine, own) = engine::look(named, &label::of_deploy(&self.app, &record.id)).await?;
        for container in own {
            fence.act(engine.halt(&container.id, record.limits.stop)).await?;
        }
        Ok(())
    }

    /// Starts again what is to run on the engine `named`, which is counted as soon as it has `answered`; of
    /// which deploys that is.
    async fn wake_named(
        &self,
        named: &Engine,
        keys: &AppKeys,
        deploys: &BTreeSet<String>,
        answered: &Cell<usize>,
    ) -> Result<BTreeSet<String>, NotDone> {
        let (fence, record) = (self.journal.fence(), self.journal.record());
        let others = self.others(named, keys).await;
        answered.set(answered.get() + 1);
        let (engine, others) = others?;
        // Whoever was cut short in stopping it may have told it to end: then it would, at any moment.
        let ending = left_stopping(record);
        let mut woken = BTreeSet::new();
        for container in others {
            let id = container.labels.get(label::DEPLOY).filter(|id| deploys.contains(*id));
            // Workers follow what is active, in the end.
            let Some(id) = id.filter(|_| !label::is_worker(&container)) else { continue };
            if ending && container.life != Life::Over {
                fence.act(engine.halt(&container.id, record.limits.stop)).await?;
            }
            fence.act(engine.wake(&container.id)).await?;
            woken.insert(id.clone());
        }
        Ok(woken)
    }
}
