//! The certificates of a directory: the last good of each, and what is wrong with the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use rustls::server::ResolvesServerCert;
use serde::Serialize;
use tracing::{error, info, warn};

use super::certificate::{CHAIN, Certificate, KEY};
use super::reload::{Source, Stamp};
use super::resolver::{Resolver, Table, now};
use super::{CertificateError, provider};

/// What is known of a directory of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificatesState {
    /// By the names of their files.
    pub certificates: Vec<CertificateState>,
    /// What is wrong with the directory as a whole; what was read before is still served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What is known of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateState {
    /// `NAME` of its files.
    pub name: String,
    /// The DNS names that the one in service is for.
    pub names: Vec<String>,
    /// When the one in service ends; nothing if none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Why the files as they are now cannot be used. An earlier one may be in service even so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The certificates of a directory.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
    default: Option<String>,
    table: ArcSwap<Table>,
    state: ArcSwap<CertificatesState>,
    refused: AtomicU64,
    /// Where the files stood when they were read. Held while they are: one reads at a time.
    loaded: Mutex<Option<Stamp>>,
}

impl Certificates {
    /// Reads every `NAME.crt` with its `NAME.key` in `directory`. Clients that ask for no name, or
    /// for one that nothing is for, are shown the one named `default`, or else the first by name.
    /// Blocks.
    ///
    /// Only a directory that cannot be read is an error. What is wrong with single certificates is
    /// logged and in [`Certificates::state`]; while none can be used, handshakes fail.
    pub fn open(directory: &Path, default: Option<&str>) -> io::Result<Arc<Self>> {
        names(directory)?;
        let certificates = Self {
            directory: directory.to_owned(),
            default: default.map(ToOwned::to_owned),
            table: ArcSwap::default(),
            state: ArcSwap::default(),
            refused: AtomicU64::new(0),
            loaded: Mutex::new(None),
        };
        certificates.reload();
        Ok(Arc::new(certificates))
    }

    /// What there is, and what is wrong with it.
    pub fn state(&self) -> Arc<CertificatesState> {
        self.state.load_full()
    }

    /// How often files were found that cannot be used, each time they changed.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// What chooses from them, at every handshake from those in service then.
    pub fn resolver(self: &Arc<Self>) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Resolver(Arc::clone(self)))
    }

    /// Those in service.
    pub fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    /// Reads what `names` there are. Returns whether another try may have another outcome.
    fn read(&self, names: BTreeSet<String>) -> bool {
        let (old, before) = (self.table.load_full(), self.state());
        let (mut all, mut shown, mut may_pass) = (BTreeMap::new(), Vec::new(), false);
        for name in names {
            let found = Certificate::read(&self.directory, &name, &provider());
            let kept = old.all().get(&name);
            let error = match found {
                Ok(found) => {
                    tell_found(&found, kept.map(Arc::as_ref));
                    all.insert(name.clone(), Arc::new(found));
                    None
                }
                Err(found) => {
                    may_pass |= found.may_pass();
                    self.tell_refused(&name, &found, &before, kept.is_some());
                    all.extend(kept.map(|kept| (name.clone(), Arc::clone(kept))));
                    Some(found.to_string())
                }
            };
            shown.push(state(name.clone(), all.get(&name).map(Arc::as_ref), error));
        }
        for name in old.all().keys().filter(|name| !all.contains_key(*name)) {
            info!(certificate = name, "taken out of service: its files are gone");
        }
        let table = Table::new(all, self.default.as_deref());
        let missing = self.default.as_ref().filter(|name| !table.all().contains_key(*name));
        if let Some(name) = missing.filter(|_| !table.all().keys().eq(old.all().keys())) {
            warn!(certificate = name, "there is no such certificate to be the default one");
        }
        self.table.store(Arc::new(table));
        self.state.store(Arc::new(CertificatesState { certificates: shown, fault: None }));
        may_pass
    }

    /// Leaves everything as it is because of `fault`.
    fn keep(&self, fault: String) {
        let mut state = CertificatesState::clone(&self.state.load());
        if state.fault.as_ref() == Some(&fault) {
            return;
        }
        error!("{fault}; what was read before stays in service");
        self.refused.fetch_add(1, Relaxed);
        state.fault = Some(fault);
        self.state.store(Arc::new(state));
    }

    /// Says once why files are refused, however often they are read.
    fn tell_refused(
        &self,
        name: &str,
        found: &CertificateError,
        before: &CertificatesState,
        kept: bool,
    ) {
        let text = found.to_string();
        let mut told = before.certificates.iter();
        if told.any(|one| one.name == name && one.error.as_ref() == Some(&text)) {
            return;
        }
        self.refused.fetch_add(1, Relaxed);
        let instead = if kept { "the one read before stays in service" } else { "not in service" };
        error!(certificate = name, "{text}; {instead}");
    }
}

impl Source for Certificates {
    fn stamp(&self) -> Stamp {
        let names = names(&self.directory).unwrap_or_default();
        let files = names.iter().flat_map(|name| [CHAIN, KEY].map(|kind| format!("{name}.{kind}")));
        let directory = std::iter::once(self.directory.clone());
        Stamp::of(directory.chain(files.map(|file| self.directory.join(file))))
    }

    fn loaded(&self) -> Option<Stamp> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload(&self) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken first: what changes while it is read is read once more.
        let stamp = self.stamp();
        let directory = self.directory.display();
        let may_pass = match names(&self.directory) {
            Err(error) => {
                self.keep(format!("{directory}: {error}"));
                true
            }
            Ok(names) if names.is_empty() && !self.table().all().is_empty() => {
                self.keep(format!("{directory}: there is no certificate in it any more"));
                false
            }
            Ok(names) => {
                if names.is_empty() {
                    warn!("{directory}: there is no certificate in it: TLS handshakes will fail");
                }
                self.read(names)
            }
        };
        *loaded = (!may_pass).then_some(stamp);
    }
}

/// The names that either file is there of. Hidden files are nobody's.
fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name();
        let Some(file) = file.to_str().filter(|file| !file.starts_with('.')) else { continue };
        if let Some((name, CHAIN | KEY)) = file.rsplit_once('.') {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn state(name: String, served: Option<&Certificate>, error: Option<String>) -> CertificateState {
    CertificateState {
        name,
        names: served.map(|served| served.names().to_vec()).unwrap_or_default(),
        not_after: served.and_then(|served| Timestamp::from_second(served.not_after()).ok()),
        error,
    }
}

/// Says what came into service. A certificate of the wrong time is served where there is nothing
/// better: the clients that look at dates refuse it, and the clock may be what is wrong.
fn tell_found(found: &Certificate, before: Option<&Certificate>) {
    if before.is_some_and(|before| before.key().cert == found.key().cert) {
        return;
    }
    let names = found.names().join(" ");
    let until = Timestamp::from_second(found.not_after()).unwrap_or(Timestamp::MAX);
    if found.is_valid_at(now()) {
        info!(certificate = found.name(), names, %until, "in service");
    } else {
        warn!(certificate = found.name(), names, %until, "in service, but of another time than now");
    }
}
