//! `proxy.toml`: what one proxy is on its machine. Everything about apps comes from the store.

mod access_log;
mod client;
mod http2;
mod listen;
mod preview;
mod tls;
mod trust;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

pub use access_log::{AccessLog, Destination, Format};
pub use client::Client;
pub use http2::Http2;
pub use listen::{ClientAuth, Listen};
pub use tls::{MinVersion, Tls};
pub use trust::Trust;

use crate::document::{self, Section};
use crate::health::CheckPath;
use crate::limits::{Bounds, Limits};
use crate::name::ProxyName;
use crate::store::StoreConfig;
use crate::strict::Mistake;

/// Data threads at most: more than any machine has cores is a slip.
const MAX_THREADS: usize = 1024;

/// A store in touch says so every 5 s.
const MIN_LOST_AFTER: Duration = Duration::from_secs(10);

/// A proxy's own file, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyFile {
    /// The proxy's name under `fleet/` and `proxies/`; by default the machine's host name.
    pub name: ProxyName,
    /// Data threads, 1 to 1024; by default one per core.
    pub threads: usize,
    /// Where clients come in; at least one.
    pub listen: Vec<Listen>,
    /// The store.
    pub store: StoreConfig,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` are answered.
    pub admin: SocketAddr,
    /// Directory of the snapshot that a restart serves from; absolute.
    pub state: PathBuf,
    /// Certificates; there if a listener speaks TLS.
    pub tls: Option<Tls>,
    /// Whose word about a client is taken.
    pub trust: Trust,
    /// How long clients may take, and how many there may be.
    pub client: Client,
    /// How large a request may be, where its app says nothing else.
    pub limits: Bounds,
    /// What one HTTP/2 connection of a client may cost.
    pub http2: Http2,
    /// One line per request, if wanted.
    pub access_log: Option<AccessLog>,
    /// Directory of pages in the place of the built-in ones: `503.html`, `503.json`,
    /// `web/503.html`, `web/maintenance.html`; absolute.
    pub pages: Option<PathBuf>,
    /// Files of the keys that passes to previews are signed with, at most two; absolute.
    pub preview_keys: Vec<PathBuf>,
    /// A path that every listener answers with 200 whatever the host, for a load balancer in front.
    pub front_health: Option<String>,
    /// How long a flip may wait for its proof.
    pub flip_timeout: Duration,
    /// How long without the store until this proxy calls itself lost.
    pub lost_after: Duration,
    /// How long requests may go on after the proxy was told to stop.
    pub grace: Duration,
}

impl ProxyFile {
    /// Reads the file at `path`; all mistakes in one run.
    pub fn load(path: &Path) -> Result<Self, Vec<Mistake>> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| vec![Mistake::new(format!("{shown}: {error}"))])?;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::parse(&shown, &text, host.trim())
    }

    /// Reads `text`, the content of `file`, on the machine `host`; all mistakes in one run.
    pub fn parse(file: &str, text: &str, host: &str) -> Result<Self, Vec<Mistake>> {
        document::read(file, text, |root| {
            let name = name(root, host);
            let threads = threads(root);
            let flip_timeout = root.duration("flip_timeout", Duration::from_mins(1));
            let lost_after = lost_after(root);
            let grace = root.duration("grace", Duration::from_secs(30));
            let listen = listen::read(root);
            let tls = tls::read(root, &listen);
            let trust = trust::read(root, &listen);
            let store = store(root);
            let client = client::read(root);
            let limits = limits(root);
            let http2 = http2::read(root);
            let access_log = access_log::read(root);
            let pages = pages(root);
            let preview_keys = preview::read(root);
            let front_health = front_health(root);
            let admin = admin(root);
            let state = state(root);
            Some(Self {
                name: name?,
                threads,
                listen,
                store: store?,
                admin,
                state,
                tls,
                trust,
                client,
                limits,
                http2,
                access_log,
                pages,
                preview_keys,
                front_health,
                flip_timeout,
                lost_after,
                grace,
            })
        })
    }
}

fn name(root: &mut Section<'_>, host: &str) -> Option<ProxyName> {
    if root.has("name") {
        return root.optional("name");
    }
    let name = host.to_ascii_lowercase().parse();
    if name.is_err() {
        root.mistake_here(&format!(
            "name: missing key, and the host name `{host}` cannot stand in"
        ));
    }
    name.ok()
}

fn threads(root: &mut Section<'_>) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = root.or("threads", cores);
    if !(1..=MAX_THREADS).contains(&threads) {
        root.mistake("threads", &format!("{threads} is not within 1 to {MAX_THREADS}"));
    }
    threads
}

fn lost_after(root: &mut Section<'_>) -> Duration {
    let lost_after = root.duration("lost_after", Duration::from_mins(15));
    if lost_after < MIN_LOST_AFTER {
        let least = crate::duration::show(MIN_LOST_AFTER);
        root.mistake(
            "lost_after",
            &format!("at least {least}: a store in touch may be that quiet"),
        );
    }
    lost_after
}

fn store(root: &mut Section<'_>) -> Option<StoreConfig> {
    let store: Option<StoreConfig> = root.required("store");
    for mistake in store.iter().flat_map(StoreConfig::mistakes) {
        root.mistake("store", &mistake.to_string());
    }
    store
}

fn limits(root: &mut Section<'_>) -> Bounds {
    let defaults = Bounds::default();
    let Some(mut section) = root.section("limits") else { return defaults };
    let bounds = Bounds {
        body: section.or("body", defaults.body),
        uri: section.or("uri", defaults.uri),
        header_bytes: section.or("header_bytes", defaults.header_bytes),
        headers: section.or("headers", defaults.headers),
    };
    let Bounds { body, uri, header_bytes, headers } = bounds;
    let written = Limits {
        body: Some(body),
        uri: Some(uri),
        header_bytes: Some(header_bytes),
        headers: Some(headers),
    };
    let mut mistakes = written.mistakes().peekable();
    if mistakes.peek().is_none() && uri > header_bytes {
        section.mistake("header_bytes", &format!("a head holds the URI: {uri} at least"));
    }
    for (key, mistake) in mistakes {
        section.mistake(key, &mistake.to_string());
    }
    bounds
}

fn pages(root: &mut Section<'_>) -> Option<PathBuf> {
    let mut pages = root.section("pages")?;
    let directory: PathBuf = pages.required("directory")?;
    if !directory.is_absolute() {
        pages.mistake("directory", &format!("`{}` is not absolute", directory.display()));
    }
    Some(directory)
}

fn front_health(root: &mut Section<'_>) -> Option<String> {
    let mut front = root.section("front")?;
    let path: CheckPath = front.optional("health")?;
    let path = path.as_str();
    // It shadows that path of every app, so the app's front page is no place for it.
    if path == "/" || path.contains('?') {
        let said = format!("`{path}` is no path that apps can spare: write `/lb-health`");
        front.mistake("health", &said);
    }
    Some(path.to_owned())
}

fn admin(root: &mut Section<'_>) -> SocketAddr {
    let local = SocketAddr::from(([127, 0, 0, 1], 9180));
    root.section("admin").map_or(local, |mut admin| admin.or("address", local))
}

fn state(root: &mut Section<'_>) -> PathBuf {
    let usual = PathBuf::from("/var/lib/shunt-proxy");
    let Some(mut state) = root.section("state") else { return usual };
    let directory: PathBuf = state.or("directory", usual);
    if !directory.is_absolute() {
        state.mistake("directory", &format!("`{}` is not absolute", directory.display()));
    }
    directory
}

#[cfg(test)]
mod tests;
