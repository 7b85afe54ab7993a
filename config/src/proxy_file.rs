//! `proxy.toml`: what one proxy is on its machine. Everything about apps comes from the store.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use crate::document::{self, Section};
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
    /// How long clients may take.
    pub client: Client,
    /// How long a flip may wait for its proof.
    pub flip_timeout: Duration,
    /// How long without the store until this proxy calls itself lost.
    pub lost_after: Duration,
    /// How long requests may go on after the proxy was told to stop.
    pub grace: Duration,
}

/// One address that clients come in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// IP address and port; port 0 takes a free one.
    pub address: SocketAddr,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Between two requests on one connection.
    pub idle: Duration,
    /// For a request head, and for the first byte of a new connection.
    pub head: Duration,
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
            let listen = listen(root);
            refuse_tls(root);
            let store = store(root);
            let client = client(root);
            let admin = admin(root);
            let state = state(root);
            Some(Self {
                name: name?,
                threads,
                listen,
                store: store?,
                admin,
                state,
                client,
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

fn listen(root: &mut Section<'_>) -> Vec<Listen> {
    if !root.has("listen") {
        root.mistake_here("listen: missing key: add `[[listen]]` with `address = \"0.0.0.0:80\"`");
    }
    let mut all: Vec<Listen> = Vec::new();
    for mut section in root.sections("listen") {
        let address: Option<SocketAddr> = section.required("address");
        if section.or("tls", false) {
            section.mistake("tls", "this version has no TLS yet: leave it away");
        }
        let Some(address) = address else { continue };
        if address.port() != 0 && all.iter().any(|listen| listen.address == address) {
            section.mistake("address", &format!("`{address}` is named twice"));
        }
        all.push(Listen { address });
    }
    all
}

/// The section is known, so that a file for a later version gets this answer and not "unknown key".
fn refuse_tls(root: &mut Section<'_>) {
    if let Some(mut tls) = root.section("tls") {
        let _: Option<PathBuf> = tls.optional("certificates");
        tls.mistake_here("this version has no TLS yet: leave the section away");
    }
}

fn store(root: &mut Section<'_>) -> Option<StoreConfig> {
    let store: Option<StoreConfig> = root.required("store");
    for mistake in store.iter().flat_map(StoreConfig::mistakes) {
        root.mistake("store", &mistake.to_string());
    }
    store
}

fn client(root: &mut Section<'_>) -> Client {
    let defaults = Client { idle: Duration::from_secs(75), head: Duration::from_secs(30) };
    root.section("client").map_or(defaults, |mut client| Client {
        idle: client.duration("idle", defaults.idle),
        head: client.duration("head", defaults.head),
    })
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
mod tests {
    use super::*;

    const SMALLEST: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n\
                            [store]\ndirectory = \"/var/lib/shunt/store\"\n";

    fn parse(text: &str) -> Result<ProxyFile, Vec<String>> {
        ProxyFile::parse("proxy.toml", text, "LB1")
            .map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_smallest_file_is_a_listener_and_a_store() {
        let file = parse(SMALLEST).unwrap();
        assert_eq!(file.name.as_str(), "lb1");
        assert_eq!(file.listen.len(), 1);
        assert_eq!(file.admin.to_string(), "127.0.0.1:9180");
        assert_eq!(file.flip_timeout, Duration::from_mins(1));
        assert!(file.threads >= 1);
    }

    #[test]
    fn the_sample_file_is_sound() {
        let text = include_str!("../proxy.toml");
        let file = parse(text).unwrap();
        assert_eq!(file.store.etcd, ["http://10.0.0.2:2379"]);
    }

    #[test]
    fn every_setting_can_be_written() {
        let text = "name = \"lb2\"\nthreads = 3\nflip_timeout = \"5s\"\nlost_after = \"1m\"\n\
                    grace = \"10s\"\n[client]\nidle = \"5s\"\nhead = \"6s\"\n\
                    [admin]\naddress = \"0.0.0.0:81\"\n[state]\ndirectory = \"/srv/shunt\"\n";
        let file = parse(&format!("{text}{SMALLEST}")).unwrap();
        assert_eq!((file.name.as_str(), file.threads), ("lb2", 3));
        assert_eq!(file.lost_after, Duration::from_mins(1));
        assert_eq!(file.client.head, Duration::from_secs(6));
        assert_eq!(file.admin.port(), 81);
        assert_eq!(file.state, Path::new("/srv/shunt"));
    }

    #[test]
    fn all_mistakes_are_named_in_one_run() {
        let text = "threads = 0\nflip_timeout = \"5\"\nlost_after = \"1s\"\n\
                    [[listen]]\naddress = \"80\"\n[[listen]]\naddress = \"0.0.0.0:443\"\ntls = true\n\
                    [tls]\ncertificates = \"/etc/shunt/certs\"\n\
                    [store]\netcd = [\"10.0.0.2:2379\"]\n\
                    [state]\ndirectory = \"here\"\n[amdin]\n";
        let said = parse(text).unwrap_err();
        for (line, word) in [
            ("proxy.toml:1: threads", "1 to 1024"),
            ("proxy.toml:2: flip_timeout", "not a duration"),
            ("proxy.toml:3: lost_after", "at least 10s"),
            ("proxy.toml:5: listen[0].address", "socket address"),
            ("proxy.toml:8: listen[1].tls", "no TLS yet"),
            ("proxy.toml:9: tls", "no TLS yet"),
            ("proxy.toml:11: store", "is not `http(s)://host:port`"),
            ("proxy.toml:14: state.directory", "not absolute"),
            ("proxy.toml:15: amdin", "did you mean `admin`?"),
        ] {
            assert!(
                said.iter().any(|s| s.starts_with(line) && s.contains(word)),
                "{line}: {said:#?}"
            );
        }
        assert_eq!(said.len(), 9, "{said:#?}");
    }

    #[test]
    fn what_cannot_be_left_away_is_asked_for() {
        let said = parse("").unwrap_err();
        assert!(said.iter().any(|s| s.contains("listen: missing key")), "{said:#?}");
        assert!(said.iter().any(|s| s.contains("store: missing key")), "{said:#?}");
        let said = ProxyFile::parse("proxy.toml", SMALLEST, "My_Host").unwrap_err();
        assert!(
            said[0].to_string().contains("the host name `My_Host` cannot stand in"),
            "{said:?}"
        );
    }
}
