//! What every holder of an app's lock does before its own work: finish or undo what another left
//! half done, stop what may be stopped by now, remove containers nobody speaks of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::engine::EngineUrl;
use shunt_config::record::{Limits, Stage};
use shunt_config::store::Store;
use shunt_config::{AppName, Engine, Slot};

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::deploy::recover;
use crate::engine;
use crate::exit::Failure;
use crate::lock::{Held, take};
use crate::report::Report;
use crate::retire::{Reaper, Retired, left};
use crate::sight::Sight;
use crate::undo::is_previous;

/// Takes the lock of `app` for `verb`, after a deploy that was left half done is finished or
/// undone. What became of that, in words, if there was one.
pub async fn take_in_order(
    report: &Report,
    store: &Arc<dyn Store>,
    app: &AppName,
    verb: &str,
    wait: Duration,
) -> Result<(Held, AppKeys, Option<String>), Failure> {
    InOrder { verb, wait, forgotten: &[] }.take(report, store, app).await
}

/// How the lock is taken in order.
#[derive(Clone, Copy, Debug)]
pub struct InOrder<'a> {
    /// For which verb.
    pub verb: &'a str,
    /// How long another holder is waited for.
    pub wait: Duration,
    /// Engines that will not come back: nothing that is half done waits for them.
    pub forgotten: &'a [EngineUrl],
}

impl InOrder<'_> {
    /// Takes it; see [`take_in_order`].
    pub async fn take(
        self,
        report: &Report,
        store: &Arc<dyn Store>,
        app: &AppName,
    ) -> Result<(Held, AppKeys, Option<String>), Failure> {
        let Self { verb, wait, forgotten } = self;
        let mut repaired = None;
        loop {
            let held = take(&**store, app, verb, wait, report).await?;
            let keys = match AppKeys::read(&**store, app).await {
                Ok(keys) => keys,
                Err(error) => return release(held, error.into()).await,
            };
            if let Some(Err(mistake)) = keys.deploy.as_ref().map(|kept| &kept.value) {
                let said = format!("`apps/{app}/deploy` cannot be read: {mistake}");
                let hint = "what it speaks of has to be known before anything else; delete it if it is \
                            not a deploy's record";
                return release(held, Failure::usage(said).hint(hint)).await;
            }
            match keys.record().filter(|record| record.unfinished()).cloned() {
                // Whoever recovers lets go of the lock at the end.
                Some(record) => {
                    let said =
                        Box::pin(recover(report, store, held, &keys, &record, forgotten)).await?;
                    report.note(&said);
                    repaired = Some(said);
                }
                None => return Ok((held, keys, repaired)),
            }
        }
    }
}

/// Lets go of the lock, and fails.
pub async fn release<T>(held: Held, failure: Failure) -> Result<T, Failure> {
    // The failure is what matters; a lock that is not let go of goes by itself.
    let _ = held.release().await;
    Err(failure)
}

/// How long things take for the app of `keys`: as its last deploy said, or the deploy file that
/// lies here, otherwise as usual.
pub fn limits(context: &Context, keys: &AppKeys) -> Limits {
    if let Some(record) = keys.record() {
        return record.limits;
    }
    let file = context.file().ok().filter(|file| file.app == keys.name);
    file.map(|file| file.limits).unwrap_or_default()
}

/// The engines that releases of the app run on, as its keys name them: in its slots, those that were
/// replaced, and what its deploy has begun.
pub fn named(keys: &AppKeys) -> impl Iterator<Item = Engine> {
    let releases = Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok().cloned());
    let replaced = keys.draining.values().filter_map(|kept| kept.ok()?.release());
    let begun = keys.record().into_iter().flat_map(|record| record.engines.clone());
    begun.chain(releases.chain(replaced).flat_map(|release| release.engines))
}

/// All engines that something of the app of `keys` may run on, as its keys and the deploy file that lies
/// here name them; none where nothing says that it runs on one.
pub fn engines_of(context: &Context, keys: &AppKeys) -> Result<Vec<Engine>, Failure> {
    let file = context.file().ok().filter(|file| file.app == keys.name);
    let named = named(keys).chain(left(keys).flat_map(|(_, entry)| entry.left.clone()));
    let hosts = file.iter().flat_map(|file| Slot::BOTH.map(|slot| file.run.hosts.of(slot)));
    let all = named.chain(hosts.flatten().map(|host| host.engine.clone()));
    let all: BTreeMap<EngineUrl, Engine> = all.map(|e| (e.url.clone(), e)).collect();
    match file {
        Some(file) if all.is_empty() => {
            let hosts = engine::hosts(&file.run, Slot::Blue)?;
            Ok(hosts.into_iter().map(|host| host.engine).collect())
        }
        _ => Ok(all.into_values().collect()),
    }
}

/// Stops what may be stopped by now, without waiting for anything: replaced releases that nobody
/// has requests on, a warm one past its time, and containers on `engines` that no key speaks of.
/// Tells what has to stay, and why.
pub async fn sweep(
    reaper: &Reaper<'_>,
    sight: &mut Sight,
    engines: &[Engine],
    report: &Report,
) -> Result<(), Failure> {
    let app = sight.keys.name.clone();
    let keys = AppKeys::read(&**reaper.store, &app).await?;
    if let Some(slot) = cold(&keys)
        && let Some(why) = reaper.condemn(&keys, slot).await?
    {
        report.note(&format!("the warm release is kept past its time: {why}"));
    }
    let keys = AppKeys::read(&**reaper.store, &app).await?;
    for token in keys.draining.keys() {
        if let kept @ Retired::Kept(_) = reaper.retire(sight, token, &mut |_, _| {}).await? {
            report.note(&format!("a replaced release is {}", kept.text()));
        }
    }
    let cleared = reaper.sweep_orphans(engines, &app).await?;
    if cleared.removed > 0 {
        let removed = engine::count(cleared.removed, engines);
        report.note(&format!("{removed} that no key speaks of removed"));
    }
    for why in &cleared.kept {
        report.note(&format!("containers that no key speaks of are kept: {why}"));
    }
    if let Some(why) = cleared.left() {
        report.note(&format!("not looked for containers that no key speaks of: {why}"));
    }
    reaper.strike_out(&app, &cleared).await
}

/// The slot of a warm release past its time.
fn cold(keys: &AppKeys) -> Option<Slot> {
    warm(keys).filter(|(_, until)| *until <= Timestamp::now()).map(|(slot, _)| slot)
}

/// The slot of the warm release, and until when it is kept. Not one that someone has flipped back to, or
/// put another release into: what `undo` was kept for is not there any more.
pub fn warm(keys: &AppKeys) -> Option<(Slot, Timestamp)> {
    let record = keys.record().filter(|record| record.stage == Stage::Warm)?;
    let previous = record.previous.as_ref()?;
    let there = keys.slot(previous.slot).is_some_and(|kept| is_previous(kept, previous));
    let idle = keys.active()?.share(previous.slot) == 0;
    Some((previous.slot, record.warm_until?)).filter(|_| there && idle)
}
