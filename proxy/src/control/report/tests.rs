//! What a directory is told by a process, and by two of one name.

use std::path::Path;
use std::time::Duration;

use e2e::until;
use shunt_config::store::{StoreConfig, open};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;

/// A process that tells a directory of one app.
struct Teller {
    task: JoinHandle<()>,
    stopping: watch::Sender<bool>,
    identity: Identity,
    _statuses: mpsc::UnboundedSender<Status>,
}

impl Teller {
    /// One whose state is at `place`. Another one may have its name for `overlap`.
    fn start(directory: &Path, place: &str, overlap: Duration) -> Self {
        let store = open(&StoreConfig::directory(directory)).unwrap();
        let identity = Identity::new("lb1".parse().unwrap(), "127.0.0.1:1".to_owned(), place);
        let (statuses, told) = mpsc::unbounded_channel();
        statuses.send(("web".parse().unwrap(), Some(Arc::new(AppStatus::default())))).unwrap();
        let (stopping, stopped) = watch::channel(false);
        let reporter = Reporter::new(store, identity.clone(), told, stopped, overlap);
        let task = tokio::spawn(reporter.run());
        Self { task, stopping, identity, _statuses: statuses }
    }

    /// Its keys under `name`.
    fn keys(&self, name: &str) -> [String; 2] {
        let own = |end: &str| format!("proxies/{name}/{}/{end}", self.identity.instance);
        [own("apps/web"), own("instance")]
    }

    /// Ends it as SIGKILL does.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn stop(self) {
        self.stopping.send_replace(true);
        self.task.await.unwrap();
    }
}

async fn keys(directory: &TempDir) -> Vec<String> {
    let store = open(&StoreConfig::directory(directory.path())).unwrap();
    store.read("").await.unwrap().entries.into_keys().collect()
}

/// Waits until the store has `wanted` and nothing else.
async fn has(directory: &TempDir, wanted: impl IntoIterator<Item = String>) {
    let mut wanted: Vec<String> = wanted.into_iter().collect();
    wanted.sort();
    until(&format!("the store has {wanted:?}"), async || {
        (keys(directory).await == wanted).then_some(())
    })
    .await;
}

fn fleet(name: &str) -> String {
    format!("fleet/{name}")
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn files_that_are_removed_by_hand_are_written_again_until_the_process_stops() {
    let directory = tempfile::tempdir().unwrap();
    let teller = Teller::start(directory.path(), "here", LONG);
    let all = || teller.keys("lb1").into_iter().chain([fleet("lb1")]);
    has(&directory, all()).await;
    for gone in ["fleet", "proxies"] {
        std::fs::remove_dir_all(directory.path().join(gone)).unwrap();
    }
    has(&directory, all()).await;
    // One app's alone.
    let [status, _] = teller.keys("lb1");
    std::fs::remove_file(directory.path().join(status)).unwrap();
    has(&directory, all()).await;
    teller.stop().await;
    has(&directory, []).await;
}

#[tokio::test]
async fn of_two_processes_of_one_name_the_younger_goes_by_another_and_is_missed_when_it_dies() {
    let directory = tempfile::tempdir().unwrap();
    let elder = Teller::start(directory.path(), "there", LONG);
    has(&directory, elder.keys("lb1").into_iter().chain([fleet("lb1")])).await;
    let younger = Teller::start(directory.path(), "here", Duration::from_millis(50));
    let both = |younger: &Teller| {
        let known = [fleet("lb1"), fleet("lb1-here")];
        elder.keys("lb1").into_iter().chain(younger.keys("lb1-here")).chain(known)
    };
    has(&directory, both(&younger)).await;
    // One that stops takes its own name with it, and no other.
    younger.stop().await;
    has(&directory, elder.keys("lb1").into_iter().chain([fleet("lb1")])).await;
    let younger = Teller::start(directory.path(), "here", Duration::from_millis(50));
    has(&directory, both(&younger)).await;
    younger.kill().await;
    let known = [fleet("lb1"), fleet("lb1-here")];
    has(&directory, elder.keys("lb1").into_iter().chain(known)).await;
    // The next process at the same place has the proxy's name first, as any, and the old one is nobody's.
    let next = Teller::start(directory.path(), "here", LONG);
    let named = [elder.keys("lb1"), next.keys("lb1")].into_iter().flatten();
    has(&directory, named.chain([fleet("lb1")])).await;
    next.kill().await;
    let again = Teller::start(directory.path(), "here", Duration::from_millis(50));
    has(&directory, both(&again)).await;
    // Once the older one has stopped, the name is free.
    elder.stop().await;
    has(&directory, again.keys("lb1").into_iter().chain([fleet("lb1")])).await;
    again.stop().await;
    has(&directory, []).await;
}
