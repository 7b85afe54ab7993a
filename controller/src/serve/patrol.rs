//! Containers of what serves that are gone: reported once for each change, and started again where that
//! is wanted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shunt_config::AppName;
use shunt_config::record::Deploy;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::Serve;
use super::keeper::order;
use crate::app_keys::AppKeys;
use crate::vanished::{Engines, Missing, look};

/// An engine starts what has crashed again by itself; this is how long it is given.
const GRACE: Duration = Duration::from_secs(1);

/// Until something is started for the second time, and at most; in between it doubles.
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(10);

/// What is gone, for who asks.
#[derive(Debug, Default)]
pub(super) struct Vanished(Mutex<BTreeMap<AppName, Vec<Missing>>>);

impl Vanished {
    /// What of `app` is gone.
    pub(super) fn of(&self, app: &AppName) -> Vec<Missing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(app).cloned().unwrap_or_default()
    }

    fn put(&self, app: &AppName, missing: Vec<Missing>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(app.clone(), missing);
    }
}

/// What is known of an app between two looks.
#[derive(Debug)]
struct Known {
    silent: Vec<String>,
    next: Instant,
    pause: Duration,
}

/// Looks after all apps until it is dropped, each by itself: an engine that hangs is its own apps' affair.
pub(super) async fn patrol(serve: Arc<Serve>) {
    let mut settings = serve.loaded.subscribe();
    let (mut all, mut rounds) = (JoinSet::new(), BTreeMap::<AppName, AbortHandle>::new());
    loop {
        let loaded = Arc::clone(&settings.borrow_and_update());
        rounds.retain(|app, round| {
            let stays = loaded.file.apps.contains_key(app);
            if !stays {
                round.abort();
            }
            stays
        });
        for app in loaded.file.apps.keys() {
            let begin = || all.spawn(rounds_of(Arc::clone(&serve), app.clone()));
            rounds.entry(app.clone()).or_insert_with(begin);
        }
        if settings.changed().await.is_err() {
            return;
        }
    }
}

/// Looks after `app`.
async fn rounds_of(serve: Arc<Serve>, app: AppName) {
    let mut engines = Engines::default();
    let mut known = Known { silent: Vec::new(), next: Instant::now(), pause: PAUSE };
    loop {
        let loaded = serve.loaded();
        if let Some(served) = loaded.file.apps.get(&app) {
            round(&serve, &mut engines, &app, served.restart, &mut known).await;
        }
        sleep(loaded.file.look).await;
    }
}

/// One look at an app.
async fn round(
    serve: &Arc<Serve>,
    engines: &mut Engines,
    app: &AppName,
    restart: bool,
    known: &mut Known,
) {
    let Some(keys) = settled(serve, app).await else { return };
    let mut found = look(&keys, engines).await;
    if !found.missing.is_empty() {
        sleep(GRACE).await;
        found = look(&keys, engines).await;
        // Whoever changed something meanwhile may have stopped them.
        let active = |keys: &AppKeys| keys.active.as_ref().map(|kept| kept.token.clone());
        if settled(serve, app).await.is_none_or(|now| active(&now) != active(&keys)) {
            return;
        }
    }
    if known.silent != found.silent {
        found.silent.iter().for_each(|why| warn!(app = %app, "not looked for containers: {why}"));
        known.silent.clone_from(&found.silent);
    }
    let before = serve.vanished.of(app);
    // An engine that says nothing says nothing of what was gone before either.
    let mut missing = found.missing;
    if !found.silent.is_empty() {
        missing.extend(
            before.iter().filter(|one| !missing.contains(one)).cloned().collect::<Vec<_>>(),
        );
        missing.sort();
    }
    serve.metrics.vanished(app.as_str(), missing.len());
    let new = missing.iter().any(|one| !before.iter().any(|other| other.name == one.name));
    if missing.is_empty() {
        if !before.is_empty() {
            info!(app = %app, "all containers run again");
        }
        // What falls over again and again is not started faster for having run in between.
        if Instant::now() >= known.next + LONGEST {
            known.pause = PAUSE;
        }
        serve.vanished.put(app, missing);
        return;
    }
    let names: Vec<_> = missing.iter().map(|one| one.name.clone()).collect();
    let (said, now) = (format!("gone: {}", names.join(", ")), Instant::now());
    serve.vanished.put(app, missing);
    let flags = match (new, restart && now >= known.next) {
        (true, true) => vec![],
        (true, false) => vec!["--dry-run".to_owned()],
        (false, true) => vec!["--told".to_owned()],
        (false, false) => return,
    };
    if new {
        error!(app = %app, "{said}");
    }
    if restart && now >= known.next {
        known.next = now + known.pause;
        known.pause = (known.pause * 2).min(LONGEST);
    }
    if let Err(error) = serve.desk.take(order(app, "mend", flags, said)) {
        error!(app = %app, "what is due cannot be written down: {error}");
    }
}

/// The keys of an app that nobody is at.
async fn settled(serve: &Serve, app: &AppName) -> Option<AppKeys> {
    let keys = AppKeys::read(&*serve.store, app).await.ok()?;
    let busy = keys.lock.is_some() || keys.record().is_some_and(Deploy::unfinished);
    (!busy).then_some(keys)
}
