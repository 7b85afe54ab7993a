//! A directory store, `shuntctl` on it, and proxies whose words are written by the test.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use e2e::Process;
use shunt_config::key::{AppKey, Key};
use shunt_config::status::{
    AppStatus, Fleet, Instance, Refusal, Serving, TargetState, TargetStatus,
};
use shunt_config::store::{self, LEASE_TTL, Session, Store, StoreConfig, Txn};
use shunt_config::{AppName, ProxyName, Slot, Token};
use shunt_controller::app_keys::AppKeys;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A store of its own, with one app `web`.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) app: AppName,
}

/// What one run of `shuntctl` came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.output, self.errors);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        let said = self.output.contains(words) || self.errors.contains(words);
        assert!(said, "`{words}` is not in:\n{}\n{}", self.output, self.errors);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let last = self.output.lines().last().expect("no output");
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {}", self.output))
    }
}

impl Site {
    /// A store whose app has 1.0 in blue, active, and 1.1 in green.
    pub(crate) async fn with_two_releases() -> Self {
        let site = Self::empty();
        site.put(AppKey::App, r#"{"hosts":["www.example.com"]}"#).await;
        site.put(AppKey::Slot(Slot::Blue), r#"{"version":"1.0","targets":["127.0.0.1:9001"]}"#)
            .await;
        site.put(AppKey::Slot(Slot::Green), r#"{"version":"1.1","targets":["127.0.0.1:9002"]}"#)
            .await;
        site.put(AppKey::Active, "blue").await;
        site
    }

    pub(crate) fn empty() -> Self {
        let directory = TempDir::new().unwrap();
        let config = StoreConfig::directory(directory.path().join("store"));
        let store = store::open(&config).unwrap();
        Self { directory, store, app: "web".parse().unwrap() }
    }

    pub(crate) async fn put(&self, key: AppKey, value: &str) -> Token {
        let key = key.of(&self.app);
        let outcome = self.store.commit(Txn::new().put(&key, value.to_owned())).await.unwrap();
        outcome.token(key).unwrap()
    }

    pub(crate) async fn delete(&self, key: AppKey) {
        self.store.commit(Txn::new().delete(key.of(&self.app))).await.unwrap();
    }

    pub(crate) async fn keys(&self) -> AppKeys {
        AppKeys::read(&*self.store, &self.app).await.unwrap()
    }

    /// Every key and value of the app, as they stand.
    pub(crate) async fn everything(&self) -> Vec<(String, String)> {
        let view = self.store.read("apps/").await.unwrap();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        view.entries.values().map(|entry| (entry.key.clone(), text(&entry.value))).collect()
    }

    pub(crate) async fn active(&self) -> String {
        self.keys().await.active.unwrap().text()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shuntctl"));
        command
            .args(arguments)
            .env("SHUNT_STORE", self.directory.path().join("store"))
            .env("USER", "ann")
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        ended(self.start(arguments)).await
    }

    /// Starts `shuntctl`, to be looked at while it runs.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts `shuntctl`; with `pause`, such as `after flip`, it stands still at that moment.
    pub(crate) fn begin(&self, arguments: &[&str], pause: Option<&str>) -> Process {
        let mut command = self.command(arguments);
        if let Some((when, step)) = pause.and_then(|pause| pause.split_once(' ')) {
            command.env(format!("SHUNTCTL_PAUSE_{}", when.to_uppercase()), step);
        }
        // A directory for each, so that none reads another's log.
        let logs = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        Process::start("shuntctl", command, &logs)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Waits for a started `shuntctl` to end.
pub(crate) async fn ended(child: Child) -> Run {
    let output = child.wait_with_output().await.unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

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
        self.session.commit(Txn::new().put_leased(key, value)).await.unwrap();
    }

    /// Serves what the keys ask for.
    pub(crate) async fn serves_what_is_asked(&self) {
        let keys = AppKeys::read(&*self.store, &self.app).await.unwrap();
        self.says(&obedient(&keys)).await;
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
                let keys = AppKeys::read(&*self.store, &self.app).await.unwrap();
                if keys.app.is_none() {
                    let key = Key::Status(self.name.clone(), "1".into(), self.app.clone());
                    self.session.commit(Txn::new().delete(key)).await.unwrap();
                } else if let Some(status) = twist(&keys, obedient(&keys)) {
                    self.says(&status).await;
                }
            }
        });
        Obedient { task }
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
