//! What every holder of an app's lock does before its own work: finish or undo what another left
//! half done, stop what may be stopped by now, remove containers nobody speaks of.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::record::{Deploy, Limits, Stage};
use shunt_config::store::Store;
use shunt_config::{AppName, Token};

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::deploy::recover;
use crate::engine::Engine;
use crate::exit::Failure;
use crate::lock::{Held, take};
use crate::report::Report;
use crate::retire::{Retired, Retirer};
use crate::sight::Sight;

/// Takes the lock of `app` for `verb`, after a deploy that was left half done is finished or
/// undone. What became of that, in words, if there was one.
pub async fn take_in_order(
    report: &Report,
    store: &Arc<dyn Store>,
    app: &AppName,
    verb: &str,
    wait: Duration,
) -> Result<(Held, AppKeys, Option<String>), Failure> {
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
                let said = Box::pin(recover(report, store, held, &keys, &record)).await?;
                report.note(&said);
                repaired = Some(said);
            }
            None => return Ok((held, keys, repaired)),
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

/// The engine the app of `keys` runs on, as its keys say, or the deploy file that lies here.
pub fn engine_name(context: &Context, keys: &AppKeys) -> Option<String> {
    let recorded = keys.record().and_then(|record| record.engine.clone());
    let slots = || shunt_config::Slot::BOTH.into_iter().filter_map(|slot| keys.slot(slot)?.ok());
    let released = || slots().find_map(|release| release.engine.clone());
    let file = || context.file().ok().filter(|file| file.app == keys.name);
    recorded.or_else(released).or_else(|| file()?.run.engine)
}

/// Stops what may be stopped by now, without waiting for anything: replaced releases that nobody
/// has requests on, and a warm one past its time. Tells what has to stay, and why.
pub async fn sweep(
    retirer: &Retirer<'_>,
    sight: &mut Sight,
    engine: &dyn Engine,
    report: &Report,
) -> Result<(), Failure> {
    let app = sight.keys.name.clone();
    let keys = AppKeys::read(&**retirer.store, &app).await?;
    if let Some(slot) = keys.record().and_then(cold) {
        retirer.condemn(&keys, slot).await?;
    }
    let keys = AppKeys::read(&**retirer.store, &app).await?;
    let tokens: Vec<Token> = keys.draining.keys().cloned().collect();
    for token in tokens {
        if let kept @ Retired::Kept(_) = retirer.retire(sight, &token, &mut |_, _| {}).await? {
            report.note(&format!("a replaced release is {}", kept.text()));
        }
    }
    let orphans = retirer.sweep_orphans(engine, &app).await?;
    if orphans > 0 {
        report.note(&format!("{orphans} container(s) that no key speaks of removed"));
    }
    Ok(())
}

/// The slot of a warm release past its time.
fn cold(record: &Deploy) -> Option<shunt_config::Slot> {
    let over = record.warm_until.is_some_and(|until| until <= Timestamp::now());
    let previous = record.previous.as_ref().filter(|_| record.stage == Stage::Warm && over)?;
    Some(previous.slot)
}
