//! The deploy lock: one deploy per app at a time, by a lease that dies with its holder.
//!
//! In etcd a lease outlives a killed holder by up to [`LEASE_TTL`]. Whoever is on the holder's machine
//! can look whether it still runs, and need not wait for that.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{self, Deploy, Stage, Step, Who};
use shunt_config::store::{Condition, LEASE_TTL, Session, Store, StoreError, Txn};
use shunt_config::{AppName, Token};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app_keys::{AppKeys, Kept};
use crate::exit::{Exit, Failure};
use crate::history;
use crate::process;
use crate::report::{Ended, Report};
use crate::time::{age, show};

/// Between attempts while the store is out of reach.
const PAUSE: Duration = Duration::from_millis(300);

/// How often the time that is waited for a lock is shown afresh.
const TICK: Duration = Duration::from_secs(1);

/// The deploy lock of one app, held. Every write compares its token, so that one that lost it
/// changes nothing more.
#[derive(Clone, Debug)]
pub struct Held {
    session: Arc<dyn Session>,
    key: String,
    token: Token,
    since: Timestamp,
}

impl Held {
    /// The condition that it is still held.
    pub fn condition(&self) -> Condition {
        Condition::Is(self.key.clone(), self.token.clone())
    }

    /// An error unless `keys`, read afresh, show it still held.
    pub fn still_in(&self, keys: &AppKeys) -> Result<(), StoreError> {
        match keys.unchanged(&AppKey::Lock) == self.condition() {
            true => Ok(()),
            false => Err(StoreError::LeaseLost),
        }
    }

    /// How long it is sure to be held without another word of the store; zero once it may not be.
    pub fn rest(&self) -> Duration {
        self.session.rest()
    }

    /// Since when it is held, by this machine's clock.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether the deploy `id` began before the lock was taken. A later one is another holder's.
    pub fn is_older(&self, id: &str) -> bool {
        history::began(id).is_none_or(|began| began <= self.since)
    }

    /// Waits until it is lost.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub async fn lost(&self) {
        self.session.lost().await;
    }

    /// Does `work` again and again while the store is out of reach and the lock is held: a leader
    /// that is elected anew is no reason to leave anything half done. `work` may be repeated.
    pub async fn steady<T>(
        &self,
        work: impl AsyncFn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match work().await {
                Err(StoreError::Unreachable { .. }) => self.pause().await?,
                done => return done,
            }
        }
    }

    /// Waits a little, unless the lock is lost meanwhile.
    pub async fn pause(&self) -> Result<(), StoreError> {
        tokio::select! {
            () = self.lost() => Err(StoreError::LeaseLost),
            () = sleep(PAUSE) => Ok(()),
        }
    }

    /// Lets go of it.
    pub async fn release(self) -> Result<(), StoreError> {
        self.session.close().await
    }
}

/// Takes the lock of `app` for `verb`; waits up to `wait` for another holder to let go, and tells
/// who that is, and since when. One that is [`abandoned`] is taken over at once.
pub async fn take(
    store: &dyn Store,
    app: &AppName,
    verb: &str,
    wait: Duration,
    report: &Report,
) -> Result<Held, Failure> {
    let session = store.session(LEASE_TTL).await?;
    let key = AppKey::Lock.of(app).to_string();
    let (who, since, verb) = (who(), Timestamp::now(), verb.to_owned());
    let value = record::Lock { who, since, verb, process: process::own() };
    let value = serde_json::to_vec(&value).map_err(|e| Failure::usage(e.to_string()))?;
    let deadline = Instant::now() + wait;
    let mut watch = None;
    let mut free = Condition::Absent(key.clone());
    let mut over: Option<(Condition, String)> = None;
    loop {
        let txn = Txn::new().when(free).put_leased(&key, value.clone());
        if let Some(token) = session.commit(txn).await?.token(&key) {
            match (over, watch) {
                (Some((_, said)), None) => report.note(&said),
                (Some((_, said)), Some(_)) => report.end(Ended::Done, &said),
                (None, Some(_)) => report.end(Ended::Done, "let go of by its holder"),
                (None, None) => {}
            }
            return Ok(Held { session, key, token, since: Timestamp::now() });
        }
        let keys = AppKeys::read(store, app).await?;
        // It may be another's by now, and then it is asked about that one, but not twice.
        let tried = over.take().map(|(condition, _)| condition);
        let is = keys.unchanged(&AppKey::Lock);
        if abandoned(&keys) && tried.as_ref() != Some(&is) {
            over = Some((is.clone(), format!("taken over: {}", holder(&keys))));
            free = is;
            continue;
        }
        free = Condition::Absent(key.clone());
        if Instant::now() >= deadline {
            session.close().await?;
            return Err(locked(&keys));
        }
        let watch = watch.get_or_insert_with(|| {
            report.begin("lock", &format!("of `{app}`, for {} at most", show(wait)));
            store.watch(&key)
        });
        let token = keys.lock.as_ref().map(|kept| kept.token.to_string()).unwrap_or_default();
        report.progress(&token, &format!("waiting: {}", holder(&keys)));
        tokio::select! {
            Some(_) = watch.next() => {}
            // The time shown goes on, too.
            () = sleep(TICK) => {}
            () = sleep_until(deadline) => {}
        }
    }
}

/// The failure of one who found the lock held.
pub fn locked(keys: &AppKeys) -> Failure {
    let hint = "try again when it is over; `deploy` and `resume` wait for it with `--lock-wait \
                10m`. If its holder has died, the lock goes within 10 seconds";
    let said = format!("`{}` is locked: {}", keys.name, holder(keys));
    Failure::new(Exit::Locked, said).hint(hint)
}

/// Whether somebody holds the lock, as far as one can tell from here.
pub fn is_held(keys: &AppKeys) -> bool {
    keys.lock.is_some() && !abandoned(keys)
}

/// Whether it is certain that the holder of the lock does not run any more, and has left nothing under
/// way: what an engine or a hook was asked goes on without whoever asked, and has the rest of the lease to
/// come to its end. A deploy alone writes down what it is at; of any other holder nobody knows.
pub fn abandoned(keys: &AppKeys) -> bool {
    let Some(lock) = keys.lock.as_ref().and_then(Kept::ok) else { return false };
    let own = keys.record().filter(|deploy| is_own(lock, deploy));
    has_ended(lock) && own.is_some_and(stands_still)
}

/// Whether `deploy` was begun by the holder of `lock`, and with it: whoever takes another's back acts on
/// engines without a word of that there.
fn is_own(lock: &record::Lock, deploy: &Deploy) -> bool {
    deploy.who == lock.who && deploy.began >= lock.since
}

fn has_ended(lock: &record::Lock) -> bool {
    lock.process.as_ref().is_some_and(process::has_ended)
}

/// Whether `deploy` was left where nothing but the store was being changed.
fn stands_still(deploy: &Deploy) -> bool {
    let acts = |step| {
        matches!(step, Step::Stop | Step::Migrate | Step::Start | Step::Workers | Step::Retire)
    };
    // Where a step broke off after the acknowledgement, it may be about its end, which is no step.
    let late = deploy.stage == Stage::Acknowledged;
    let acting =
        deploy.step().is_some_and(|time| time.ended.is_none() && (late || acts(time.step)));
    deploy.unfinished() && !acting && deploy.stage != Stage::Undoing
}

/// Who holds the lock, for what and since when, in words.
pub fn holder(keys: &AppKeys) -> String {
    match keys.lock.as_ref().map(Kept::read) {
        Some(Ok(lock)) => held_by(lock),
        Some(Err(mistake)) => format!("its value cannot be read: {mistake}"),
        None => "it was just let go of".to_owned(),
    }
}

/// Who holds `lock`, for what and since when, in words.
pub fn held_by(lock: &record::Lock) -> String {
    let since = lock.since.strftime("%Y-%m-%d %H:%M:%S");
    let held = show(age(lock.since));
    let ended = if has_ended(lock) { ", and has ended" } else { "" };
    format!("{} holds it for `{}` since {since} UTC ({held}){ended}", lock.who, lock.verb)
}

/// Who runs this process.
pub fn who() -> Who {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    Who {
        user: user().unwrap_or_else(|| "unknown".to_owned()),
        host: host.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned()),
        pid: std::process::id(),
    }
}

/// Whoever the daemon runs this for; else the login name, by the environment or, where a pipeline has
/// cleaned that, by the user's number.
fn user() -> Option<String> {
    if let Some(name) =
        ["SHUNT_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok())
    {
        return Some(name);
    }
    let number = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2) == Some(&number.as_str()));
    Some(found.map_or_else(|| format!("user {number}"), |fields| fields[0].to_owned()))
}
