//! What is due without anybody asking for it: a warm release whose time is up, a replaced one that could
//! not be stopped yet, a deploy whose controller is gone. All of that is what `resume` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shunt_config::AppName;
use shunt_config::record::Deploy;
use shunt_config::store::WatchEvent;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, warn};

use super::Serve;
use super::desk::Order;
use super::verbs;
use crate::app_keys::AppKeys;
use crate::keeping::warm;
use crate::lock::is_held;
use crate::time::remaining;

/// Until something is tried for the second time, and at most; in between it doubles.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);

/// How long until the store is asked again where its watch has ended.
const AGAIN: Duration = Duration::from_secs(5);

/// What is due of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    /// Why, in words.
    why: String,
    /// What it is about: it changes when there is something new to be tried.
    about: String,
    /// In how long.
    after: Duration,
}

/// How often something was tried.
#[derive(Debug)]
struct Attempt {
    about: String,
    next: Instant,
    pause: Duration,
}

/// Looks after all apps until it is dropped.
pub(super) async fn keep(serve: Arc<Serve>) {
    let mut attempts: BTreeMap<AppName, Attempt> = BTreeMap::new();
    let mut settings = serve.loaded.subscribe();
    loop {
        let loaded = Arc::clone(&settings.borrow_and_update());
        let mut keys: BTreeMap<AppName, AppKeys> = BTreeMap::new();
        let mut watch = serve.store.watch("apps/");
        // What may be out of date is no reason for anything.
        let mut in_touch = false;
        loop {
            let mut wake = None::<Instant>;
            if in_touch {
                for app in loaded.file.apps.keys() {
                    let Some(keys) = keys.get(app) else { continue };
                    let next = look(&serve, keys, &mut attempts).await;
                    wake = next.into_iter().chain(wake).min();
                }
            }
            let idle = Instant::now() + LONGEST;
            tokio::select! {
                event = watch.next() => match event {
                    Some(WatchEvent::Full(view)) => {
                        let of = |app: &AppName| (app.clone(), AppKeys::of(app.clone(), &view));
                        keys = loaded.file.apps.keys().map(of).collect();
                        in_touch = true;
                    }
                    Some(WatchEvent::Changed(all)) => {
                        for keys in keys.values_mut() {
                            for change in &all {
                                keys.apply(change);
                            }
                        }
                    }
                    Some(WatchEvent::Confirmed) => {}
                    Some(WatchEvent::Lost(reason)) => {
                        warn!("the store is out of reach: {reason}");
                        in_touch = false;
                    }
                    None => {
                        sleep(AGAIN).await;
                        break;
                    }
                },
                () = sleep_until(wake.unwrap_or(idle)) => {}
                changed = settings.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            }
        }
    }
}

/// Does what is due of the app of `keys`; when to look again.
async fn look(
    serve: &Arc<Serve>,
    keys: &AppKeys,
    attempts: &mut BTreeMap<AppName, Attempt>,
) -> Option<Instant> {
    let app = &keys.name;
    let Some(found) = due(keys) else {
        attempts.remove(app);
        return None;
    };
    let now = Instant::now();
    let attempt = attempts.entry(app.clone()).or_insert_with(|| fresh(&found, now));
    if attempt.about != found.about {
        *attempt = fresh(&found, now);
    }
    // The warm release's time may be up before something else is tried again.
    let warm = warm(keys).map(|(_, until)| remaining(until)).filter(|left| !left.is_zero());
    let sooner = |next: Instant| warm.map_or(next, |left| next.min(now + left));
    if attempt.next > now {
        return Some(sooner(attempt.next));
    }
    attempt.next = now + attempt.pause;
    attempt.pause = (attempt.pause * 2).min(LONGEST);
    let next = Some(sooner(attempt.next));
    // A watch may lag behind.
    match AppKeys::read(&*serve.store, app).await {
        Ok(keys) if due(&keys).is_some_and(|due| due.about == found.about) => {}
        Ok(_) => return next,
        Err(error) => {
            warn!(app = %app, "{error}");
            return next;
        }
    }
    if let Err(error) = serve.desk.take(order(app, "resume", Vec::new(), found.why)) {
        error!(app = %app, "what is due cannot be written down: {error}");
    }
    next
}

fn fresh(due: &Due, now: Instant) -> Attempt {
    Attempt { about: due.about.clone(), next: now + due.after, pause: PAUSE }
}

/// An order that nobody has asked for.
pub(super) fn order(app: &AppName, verb: &str, flags: Vec<String>, why: String) -> Order {
    Order {
        app: app.clone(),
        verb: verb.to_owned(),
        flags,
        words: Vec::new(),
        waits: verbs::named(verb).is_some_and(|verb| verb.waits),
        by: "serve".to_owned(),
        why: Some(why),
        version: None,
        digest: None,
        delivery: Vec::new(),
    }
}

/// What is due, if anything is. Nothing is while someone holds the lock: they see to it.
fn due(keys: &AppKeys) -> Option<Due> {
    if is_held(keys) {
        return None;
    }
    let record = match keys.deploy.as_ref().map(|kept| kept.ok()) {
        Some(None) => return None,
        Some(record) => record,
        None => None,
    };
    if let Some(record) = record.filter(|record| Deploy::unfinished(record)) {
        let version = record.version.as_deref().unwrap_or("a release");
        return Some(Due {
            why: format!("the deploy of {version} was cut off"),
            about: format!("half done {}", record.id),
            after: Duration::ZERO,
        });
    }
    let id = record.map(|record| record.id.as_str()).unwrap_or_default();
    let warm = warm(keys).map(|(_, until)| Due {
        why: "the warm release's time is up".to_owned(),
        about: format!("warm {id} {until}"),
        after: remaining(until),
    });
    if !keys.draining.is_empty() && warm.as_ref().is_none_or(|warm| !warm.after.is_zero()) {
        let tokens: Vec<_> = keys.draining.keys().map(ToString::to_string).collect();
        return Some(Due {
            why: "a replaced release is not stopped yet".to_owned(),
            about: format!("draining {}", tokens.join(" ")),
            after: PAUSE,
        });
    }
    warm
}
