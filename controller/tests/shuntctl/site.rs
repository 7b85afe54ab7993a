//! A directory store, and `shuntctl` on it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use e2e::{Process, Scratch};
use shunt_config::key::AppKey;
use shunt_config::store::{self, Store, StoreConfig, Txn};
use shunt_config::{AppName, Slot, Token};
use shunt_controller::app_keys::AppKeys;
use tokio::process::{Child, Command};

/// A store of its own, with one app `web`.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) directory: Scratch,
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
        let directory = Scratch::new("shunt-site-");
        let config = StoreConfig::directory(directory.path().join("store"));
        let store = store::open(&config).unwrap();
        Self { directory, store, app: "web".parse().unwrap() }
    }

    /// Makes the store's directory, as a proxy does.
    pub(crate) fn make_store(&self) {
        std::fs::create_dir(self.directory.path().join("store")).unwrap();
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

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
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

    /// The same with more variables.
    pub(crate) async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ended(command.spawn().unwrap()).await
    }

    /// The same without the variable `name`.
    pub(crate) async fn run_without(&self, arguments: &[&str], name: &str) -> Run {
        let mut command = self.command(arguments);
        command.env_remove(name).stdout(Stdio::piped()).stderr(Stdio::piped());
        ended(command.spawn().unwrap()).await
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

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
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
