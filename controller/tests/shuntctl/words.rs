//! Proxies whose words are written by the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::wait::PATIENCE;
use shunt_config::key::Key;
use shunt_config::status::{
    AppStatus, Fleet, HoldState, HoldStatus, Instance, MirrorStatus, Mirrored, Refusal, Serving,
    TargetState, TargetStatus,
};
use shunt_config::store::{LEASE_TTL, Session, Store, StoreError, Txn};
use shunt_config::{AppName, ProxyName, Slot, Token};
use shunt_controller::app_keys::AppKeys;
use tokio::task::JoinHandle;

use crate::site::Site;

/// A proxy's keys in the store, with the words the test puts into its mouth.
#[derive(Debug)]
pub(crate) struct Words {
    name: ProxyName,
    store: Arc<dyn Store>,
    session: Arc<dyn Session>,
    app: AppName,
}

impl Words {
    /// A live proxy that says nothing of the app yet.
    pub(crate) async fn of(name: &str, site: &Site) -> Self {
        let name: ProxyName = name.parse().unwrap();
        let session = site.store.session(LEASE_TTL).await.unwrap();
        let now = jiff::Timestamp::now();
        let fleet = Fleet { since: now, version: "1".into() };
        let instance = Instance { started: now, version: "1".into(), pid: 1, admin: None };
        let txn = Txn::new()
            .put(Key::Fleet(name.clone()), serde_json::to_vec(&fleet).unwrap())
            .put_leased(
                Key::Instance(name.clone(), "1".into()),
                serde_json::to_vec(&instance).unwrap(),
            );
        session.commit(txn).await.unwrap();
        Self { name, store: Arc::clone(&site.store), session, app: site.app.clone() }
    }

    pub(crate) async fn says(&self, status: &AppStatus) {
        let key = Key::Status(self.name.clone(), "1".into(), self.app.clone());
        let value = serde_json::to_vec(status).unwrap();
        let txn = || Txn::new().put_leased(key.clone(), value.clone());
        at_last(|| self.session.commit(txn())).await;
    }

    /// Serves what the keys ask for.
    pub(crate) async fn serves_what_is_asked(&self) {
        self.says(&obedient(&self.keys().await)).await;
    }

    /// What the keys ask for.
    async fn keys(&self) -> AppKeys {
        at_last(|| AppKeys::read(&*self.store, &self.app)).await
    }

    /// It dies: its leased keys go, and what it is known by stays.
    pub(crate) async fn dies(self) {
        self.session.close().await.unwrap();
    }

    /// Says from now on at once that it serves what the keys ask for, until it is dropped.
    pub(crate) fn obeys(self) -> Obedient {
        self.obeys_but(|_, status| Some(status))
    }

    /// The same, but what it says goes through `twist` first; `None` says nothing new.
    pub(crate) fn obeys_but(
        self,
        twist: impl Fn(&AppKeys, AppStatus) -> Option<AppStatus> + Send + 'static,
    ) -> Obedient {
        let task = tokio::spawn(async move {
            let mut watch = self.store.watch("apps/");
            while watch.next().await.is_some() {
                let keys = self.keys().await;
                if keys.app.is_none() {
                    let key = Key::Status(self.name.clone(), "1".into(), self.app.clone());
                    let txn = || Txn::new().delete(key.clone());
                    at_last(|| self.session.commit(txn())).await;
                } else if let Some(status) = twist(&keys, obedient(&keys)) {
                    self.says(&status).await;
                }
            }
        });
        Obedient { task }
    }
}

/// What the store answers at last. As a proxy, these ask again where it is out of reach: on a machine
/// that is short of time a directory can be locked for longer than anybody waits.
async fn at_last<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A proxy that says at once that it serves what the keys ask for.
#[derive(Debug)]
pub(crate) struct Obedient {
    task: JoinHandle<()>,
}

impl Drop for Obedient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a proxy says that serves what `keys` ask for, and has proved every target.
pub(crate) fn obedient(keys: &AppKeys) -> AppStatus {
    let active = keys.active();
    let mut status = AppStatus {
        app: keys.app.as_ref().map(|kept| kept.token.clone()),
        active: keys.active.as_ref().map(|kept| kept.token.clone()),
        hold: keys.hold.as_ref().and_then(|kept| {
            let (token, mode, state) = (kept.token.clone(), kept.ok()?.mode, HoldState::Stops);
            Some(HoldStatus { token, mode, state, waiting: 0, until: None, leases: [].into() })
        }),
        mirror: keys.mirror.as_ref().and_then(|kept| {
            let (token, asked) = (kept.token.clone(), kept.ok()?);
            let release = keys.slot(asked.slot).map(|kept| kept.token.clone());
            let until = Some(jiff::Timestamp::now() + asked.lasts());
            Some(MirrorStatus { token, release, until, counts: Mirrored::default() })
        }),
        ..AppStatus::default()
    };
    for slot in Slot::BOTH {
        let Some(kept) = keys.slot(slot) else { continue };
        let Some(release) = kept.ok() else { continue };
        let share = active.map_or(0, |active| active.share(slot));
        if share > 0 {
            let (token, version) = (kept.token.clone(), release.version.clone());
            status.serving.push(Serving { slot, token, share, version });
        }
        status.targets.extend(release.targets.iter().map(|target| TargetStatus {
            token: kept.token.clone(),
            slot,
            address: target.address.to_string(),
            state: TargetState::Healthy,
            last: "200 OK".into(),
        }));
    }
    status
}

/// A refusal of the value that was put as `token` under `key`.
pub(crate) fn refusal(key: &str, token: &Token, reason: &str) -> Refusal {
    Refusal { key: key.to_owned(), token: Some(token.clone()), reason: reason.to_owned() }
}
