//! The task that writes what is served to disk, and only then lets the ack for it go.
//!
//! An ack allows `shuntctl` to stop the old release. If it went out before the new state was on
//! disk, a crash right after it could bring a proxy back that serves what is no longer there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shunt_config::AppName;
use shunt_config::status::AppStatus;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::complaints::{Complaints, Failure};
use super::directory::{Apps, MANY, SavedApp, StateDir};

/// Updates taken at one go.
const BATCH: usize = 1024;
/// While many apps change at once, as all do at a first start, most change again within a moment: they
/// are written when nothing has come for [`CALM`], and after [`GATHER`] whatever comes.
const CALM: Duration = Duration::from_millis(20);
const GATHER: Duration = Duration::from_secs(2);
/// How long until a failed write is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the control task has to say of one app, or of the store.
#[derive(Debug)]
pub enum Update {
    /// Another store is believed now.
    Store(String),
    /// An app changed.
    App(Box<AppUpdate>),
}

/// What the control task has to say of one app.
#[derive(Debug)]
pub struct AppUpdate {
    /// Which.
    pub app: AppName,
    /// What a restart is to serve, if that changed; `Some(None)` for nothing.
    pub saved: Option<Option<SavedApp>>,
    /// What the store is told; `None` for nothing any more.
    pub status: Option<Arc<AppStatus>>,
}

/// The task that writes.
#[derive(Debug)]
pub struct Saver {
    directory: StateDir,
    updates: mpsc::UnboundedReceiver<Update>,
    statuses: mpsc::UnboundedSender<(AppName, Option<Arc<AppStatus>>)>,
    failures: Arc<AtomicU64>,
    /// What could not be written.
    unsaved: Apps,
    unsaved_store: Option<String>,
    /// What the store is told once the app it speaks of is on disk: an ack is a promise that a
    /// restart keeps.
    untold: BTreeMap<AppName, Option<Arc<AppStatus>>>,
    complaints: Complaints,
}

impl Saver {
    /// A saver to `directory` that takes `updates` and hands statuses on. It counts writes that
    /// failed in `failures`.
    pub fn new(
        directory: StateDir,
        updates: mpsc::UnboundedReceiver<Update>,
        statuses: mpsc::UnboundedSender<(AppName, Option<Arc<AppStatus>>)>,
        failures: Arc<AtomicU64>,
    ) -> Self {
        let (unsaved, unsaved_store, untold, complaints) = Default::default();
        Self { directory, updates, statuses, failures, unsaved, unsaved_store, untold, complaints }
    }

    /// Writes until the other end is gone and all is on disk.
    pub async fn run(mut self) {
        let mut updates = Vec::new();
        loop {
            let failed = !self.unsaved.is_empty() || self.unsaved_store.is_some();
            let taken = tokio::select! {
                taken = self.updates.recv_many(&mut updates, BATCH) => taken,
                () = sleep(RETRY), if failed => {
                    self.save().await;
                    self.tell();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.take(&mut updates);
            // An error means that it has gone on for long enough.
            let _ = timeout(GATHER, self.gather(&mut updates)).await;
            self.save().await;
            self.tell();
        }
    }

    /// Takes what comes while many apps change.
    async fn gather(&mut self, updates: &mut Vec<Update>) {
        while self.unsaved.len() > MANY
            && let Ok(1..) = timeout(CALM, self.updates.recv_many(updates, BATCH)).await
        {
            self.take(updates);
        }
    }

    fn take(&mut self, updates: &mut Vec<Update>) {
        for update in updates.drain(..) {
            match update {
                Update::Store(store) => self.unsaved_store = Some(store),
                Update::App(update) => {
                    let AppUpdate { app, saved, status } = *update;
                    if let Some(saved) = saved {
                        self.unsaved.insert(app.clone(), saved);
                    }
                    self.untold.insert(app, status);
                }
            }
        }
    }

    /// Hands on what is known of apps that are on disk.
    fn tell(&mut self) {
        let unsaved = &self.unsaved;
        for told in self.untold.extract_if(.., |app, _| !unsaved.contains_key(app)) {
            // The reporter outlives this task but for a shutdown that was cut short.
            let _ = self.statuses.send(told);
        }
    }

    async fn save(&mut self) {
        if self.unsaved.is_empty() && self.unsaved_store.is_none() {
            return;
        }
        let directory = self.directory.clone();
        let (apps, store) = (std::mem::take(&mut self.unsaved), self.unsaved_store.take());
        let written = tokio::task::spawn_blocking(move || {
            let store_failed = store.as_ref().map(|store| directory.write_store(store));
            let failed = directory.write_apps(&apps);
            (apps, store, store_failed.and_then(Result::err), failed)
        });
        let Ok((mut apps, store, store_failed, failed)) = written.await else { return };
        self.complain(store_failed.as_ref(), &failed);
        let failed: BTreeSet<AppName> = failed.into_iter().map(|(app, _)| app).collect();
        apps.retain(|app, _| failed.contains(app));
        self.unsaved = apps;
        self.unsaved_store = store.filter(|_| store_failed.is_some());
        if self.unsaved.is_empty()
            && self.unsaved_store.is_none()
            && let Some(said) = self.complaints.over()
        {
            info!("{said}");
        }
    }

    /// Counts what failed, and says it unless that was said lately.
    fn complain(&mut self, store: Option<&io::Error>, apps: &[(AppName, io::Error)]) {
        let failure = |what: String, path: PathBuf, error: &io::Error| {
            let what = format!("{what} ({})", path.display());
            Failure { what, why: error.to_string() }
        };
        let meta = || self.directory.meta();
        let store = store.map(|error| failure("the store's name".to_owned(), meta(), error));
        let of_app = |(app, error): &(AppName, io::Error)| {
            failure(format!("app {app}"), self.directory.app(app), error)
        };
        let failed: Vec<_> = store.into_iter().chain(apps.iter().map(of_app)).collect();
        self.failures.fetch_add(failed.len() as u64, Relaxed);
        for said in self.complaints.note(&failed, Instant::now()) {
            warn!("{said}");
        }
    }
}
