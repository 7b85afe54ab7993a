//! The deploy lock: one deploy per app at a time, by a lease that dies with its holder.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::key::AppKey;
use shunt_config::record::{self, Who};
use shunt_config::store::{Condition, LEASE_TTL, Session, Store, StoreError, Txn};
use shunt_config::{AppName, Token};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::time::{age, show};

/// Between attempts while the store is out of reach.
const PAUSE: Duration = Duration::from_millis(300);

/// The deploy lock of one app, held. Every write compares its token, so that one that lost it
/// changes nothing more.
#[derive(Clone, Debug)]
pub struct Held {
    session: Arc<dyn Session>,
    key: String,
    token: Token,
}

impl Held {
    /// The condition that it is still held.
    pub fn condition(&self) -> Condition {
        Condition::Is(self.key.clone(), self.token.clone())
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

/// Takes the lock of `app` for `verb`; waits up to `wait` for another holder to let go.
pub async fn take(
    store: &dyn Store,
    app: &AppName,
    verb: &str,
    wait: Duration,
    report: &Report,
) -> Result<Held, Failure> {
    let session = store.session(LEASE_TTL).await?;
    let key = AppKey::Lock.of(app).to_string();
    let value = record::Lock { who: who(), since: Timestamp::now(), verb: verb.to_owned() };
    let value = serde_json::to_vec(&value).map_err(|e| Failure::usage(e.to_string()))?;
    let deadline = Instant::now() + wait;
    let mut watch = None;
    loop {
        let txn = Txn::new().when(Condition::Absent(key.clone())).put_leased(&key, value.clone());
        if let Some(token) = session.commit(txn).await?.token(&key) {
            return Ok(Held { session, key, token });
        }
        let said = holder(&AppKeys::read(store, app).await?);
        if Instant::now() >= deadline {
            session.close().await?;
            return Err(locked(app, &said));
        }
        report.progress(&said, &format!("waiting: {said}"));
        let watch = watch.get_or_insert_with(|| store.watch(&AppKeys::prefix(app)));
        tokio::select! {
            _ = watch.next() => {}
            () = sleep_until(deadline) => {}
        }
    }
}

/// The failure of one who found the lock held.
pub fn locked(app: &AppName, holder: &str) -> Failure {
    let hint = "wait for it with `--lock-wait 10m`; if its holder has died, the lock goes within \
                seconds";
    Failure::new(Exit::Locked, format!("`{app}` is locked: {holder}")).hint(hint)
}

/// Who holds the lock, in words.
pub fn holder(keys: &AppKeys) -> String {
    match keys.lock.as_ref().map(|kept| &kept.value) {
        Some(Ok(lock)) => {
            let since = show(age(lock.since));
            format!("{} holds it for `{}` since {since}", lock.who, lock.verb)
        }
        Some(Err(mistake)) => format!("its value cannot be read: {mistake}"),
        None => "it was just let go of".to_owned(),
    }
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

/// The login name, by the environment or, where a pipeline has cleaned that, by the user's number.
fn user() -> Option<String> {
    if let Some(name) = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()) {
        return Some(name);
    }
    let number = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2) == Some(&number.as_str()));
    Some(found.map_or_else(|| format!("user {number}"), |fields| fields[0].to_owned()))
}
