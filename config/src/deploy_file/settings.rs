//! How the containers of `[run]` are made: what `docker run` has flags for.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::environment::{self, Environment};
use super::limit::{Cpus, ULIMITS, Ulimit};
use super::volume::{Volume, is_name};
use crate::command::Command;
use crate::document::Section;
use crate::size::Size;
use crate::strict::{Mistake, nearest};

/// The least memory that Docker starts a container with.
const LEAST_MEMORY: Size = Size::mib(6);

/// How a container is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Its variables.
    pub environment: Environment,
    /// What it sees of the engine's disks. Two releases that run side by side share it.
    pub volumes: Vec<Volume>,
    /// The networks it is in; without one, the engine's own.
    pub networks: Vec<String>,
    /// In the place of the image's entry point.
    pub entrypoint: Option<Command>,
    /// In the place of the image's command.
    pub command: Option<Command>,
    /// User, and group if there is one: `app`, `1000:1000`.
    pub user: Option<String>,
    /// Memory at most.
    pub memory: Option<Size>,
    /// Processors at most.
    pub cpus: Option<Cpus>,
    /// Where its output goes.
    pub log: Option<Log>,
    /// Limits on each of its processes.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Lines of its `/etc/hosts`, by name.
    pub extra_hosts: BTreeMap<String, HostAddress>,
    /// What asks it to stop, in the place of the image's or TERM.
    pub stop_signal: Option<String>,
    /// When the engine starts it again.
    pub restart: Restart,
    /// Labels of its own; those of `shunt.` are not to be set.
    pub labels: BTreeMap<String, String>,
}

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The engine's driver: `local`, `json-file`, `journald`, …
    pub driver: String,
    /// Its options.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// An address, or the machine the engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// `host-gateway`
    Gateway,
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Gateway => f.write_str("host-gateway"),
        }
    }
}

impl<'de> Deserialize<'de> for HostAddress {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        match text.parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) if text == "host-gateway" => Ok(Self::Gateway),
            Err(_) => {
                Err(de::Error::custom(format!("`{text}` is neither an address nor `host-gateway`")))
            }
        }
    }
}

/// When an engine starts a container again that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always, until it is stopped.
    #[default]
    UnlessStopped,
    /// Always, and also when the engine starts after it was stopped.
    Always,
    /// Where it failed; so often at most, if that is said.
    OnFailure(Option<u32>),
    /// Never.
    No,
}

impl FromStr for Restart {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let times = |text: &str| text.strip_prefix("on-failure:")?.parse().ok();
        match text {
            "unless-stopped" => Ok(Self::UnlessStopped),
            "always" => Ok(Self::Always),
            "on-failure" => Ok(Self::OnFailure(None)),
            "no" => Ok(Self::No),
            _ => times(text).map(|n| Self::OnFailure(Some(n))).ok_or_else(|| {
                let way = "write `unless-stopped`, `always`, `on-failure`, `on-failure:3` or `no`";
                Mistake::new(format!("`{text}` is none: {way}"))
            }),
        }
    }
}

read_by_text!(Restart);

/// Reads the keys of the section that say how a container is made.
pub(super) fn read(section: &mut Section<'_>) -> Settings {
    let settings = Settings {
        environment: environment::read(section),
        volumes: section.or("volumes", Vec::new()),
        networks: section.or("networks", Vec::new()),
        entrypoint: section.optional("entrypoint"),
        command: section.optional("command"),
        user: section.optional("user"),
        memory: section.optional("memory"),
        cpus: section.optional("cpus"),
        log: section.optional("log"),
        ulimits: section.or("ulimits", BTreeMap::new()),
        extra_hosts: section.or("extra_hosts", BTreeMap::new()),
        stop_signal: section.optional("stop_signal"),
        restart: section.or("restart", Restart::default()),
        labels: section.or("labels", BTreeMap::new()),
    };
    if section.has("ports") {
        let _: Option<toml::Value> = section.optional("ports");
        let said = "two releases run side by side, and a fixed port of a machine can be had by one \
                    alone: what clients connect to is the proxy";
        section.mistake("ports", said);
    }
    check(section, &settings);
    settings
}

/// Names what the types alone do not refuse.
fn check(section: &Section<'_>, settings: &Settings) {
    for (i, volume) in settings.volumes.iter().enumerate() {
        if settings.volumes[..i].iter().any(|other| other.target == volume.target) {
            section.mistake("volumes", &format!("`{}` is there twice", volume.target));
        }
    }
    for network in &settings.networks {
        if ["host", "none"].contains(&network.as_str()) {
            let said = format!("in `{network}` no port can be published for the proxies");
            section.mistake("networks", &said);
        } else if !is_name(network) {
            section.mistake("networks", &format!("`{network}` is no name of a network"));
        }
    }
    let plain = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if let Some(user) = settings.user.as_ref().filter(|user| !plain(user)) {
        section.mistake("user", &format!("`{user}` is no user: write `app` or `1000:1000`"));
    }
    if let Some(signal) = settings.stop_signal.as_ref().filter(|signal| !is_signal(signal)) {
        section.mistake("stop_signal", &format!("`{signal}` is no signal: write `SIGQUIT`"));
    }
    if let Some(memory) = settings.memory.filter(|memory| *memory < LEAST_MEMORY) {
        let said = format!("{memory} is less than the {LEAST_MEMORY} that a container needs");
        section.mistake("memory", &said);
    }
    if settings.log.as_ref().is_some_and(|log| !plain(&log.driver)) {
        section.mistake("log", "names no driver");
    }
    for name in settings.ulimits.keys().filter(|name| !ULIMITS.contains(&name.as_str())) {
        let hint = nearest(name, ULIMITS).map(|near| format!(", did you mean `{near}`?"));
        section.mistake("ulimits", &format!("`{name}` is no limit{}", hint.unwrap_or_default()));
    }
    for name in settings.extra_hosts.keys().filter(|name| !crate::address::is_host(name)) {
        section.mistake("extra_hosts", &format!("`{name}` is no host name"));
    }
    for label in settings.labels.keys() {
        if label.starts_with("shunt.") {
            section.mistake("labels", &format!("`{label}`: labels of `shunt.` are the deploy's"));
        } else if label.is_empty() {
            section.mistake("labels", "a label has a name");
        }
    }
}

/// `SIGQUIT`, `QUIT` or `3`, as Docker takes them.
fn is_signal(text: &str) -> bool {
    let number = text.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
    let name = text.strip_prefix("SIG").unwrap_or(text);
    number
        || name.len() > 1
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"+-".contains(&b))
            && name.starts_with(|c: char| c.is_ascii_uppercase())
}
