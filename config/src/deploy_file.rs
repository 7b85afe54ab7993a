//! `shunt.toml`: an app's deploy file. It lives in the app's repository.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};

use crate::app::App;
use crate::document::{self, Section};
use crate::health::Health;
use crate::name::AppName;
use crate::protocol::Protocol;
use crate::record::Limits;
use crate::store::StoreConfig;
use crate::strict::Mistake;
use crate::timeouts::Timeouts;

/// The file's usual name.
pub const FILE_NAME: &str = "shunt.toml";

/// Replicas of one release at most.
pub const MAX_REPLICAS: u16 = 64;

/// An app's deploy file, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployFile {
    /// The app.
    pub app: AppName,
    /// The image to run, as written: with or without tag or digest.
    pub image: String,
    /// The app's settings in the store; `None` leaves those that are there alone.
    pub route: Option<App>,
    /// How its containers run.
    pub run: Run,
    /// The health check of its releases.
    pub health: Health,
    /// The timeouts of its releases.
    pub timeouts: Timeouts,
    /// How long a deploy waits for what.
    pub limits: Limits,
    /// The store, if the file names one.
    pub store: Option<StoreConfig>,
}

/// How an app's containers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the app listens on inside its container.
    pub port: u16,
    /// The engine, `unix:///var/run/docker.sock`; `None` for the one `DOCKER_HOST` names, or the
    /// local one.
    pub engine: Option<String>,
    /// How many containers.
    pub replicas: u16,
    /// The address of this machine that ports are published on and targets announced with.
    pub bind: IpAddr,
    /// Where published ports are taken from.
    pub port_range: PortRange,
    /// When the image is pulled.
    pub pull: Pull,
    /// What its containers speak: `http/1.1`, or `h2c` as gRPC servers do.
    pub protocol: Protocol,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// At every deploy, so that a tag that was moved is seen.
    #[default]
    Always,
    /// If the engine does not have it.
    Missing,
    /// Not at all: it was built or loaded on the engine.
    Never,
}

/// Ports from the first to the last, both included: `20000-29999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest, at least 1.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Default for PortRange {
    /// Below 32768, where Linux begins to hand out ports to outgoing connections.
    fn default() -> Self {
        Self { first: 20_000, last: 29_999 }
    }
}

impl FromStr for PortRange {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let range = text.split_once('-').and_then(|(first, last)| {
            Some(Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? })
        });
        match range {
            Some(range) if range.first > 0 && range.first <= range.last => Ok(range),
            _ => Err(Mistake::new(format!("`{text}` is no range of ports: write `20000-29999`"))),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(de::Error::custom)
    }
}

impl DeployFile {
    /// Reads `text`, the content of `file`; all mistakes in one run.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        document::read(file, text, |root| {
            let app = root.required("app");
            let image = image(root);
            let run = root.required_section("run").map(run);
            let health = health(root);
            let timeouts: Timeouts = root.or("timeouts", Timeouts::default());
            let route = root.section("route").map(route);
            let limits = root.section("deploy").map_or_else(Limits::default, limits);
            let store: Option<StoreConfig> = root.optional("store");
            for mistake in store.iter().flat_map(StoreConfig::mistakes) {
                root.mistake("store", &mistake.to_string());
            }
            let route = match route {
                Some(read) => Some(read?),
                None => None,
            };
            Some(Self {
                app: app?,
                image: image?,
                route,
                run: run??,
                health,
                timeouts,
                limits,
                store,
            })
        })
    }
}

fn image(root: &mut Section<'_>) -> Option<String> {
    let image: String = root.required("image")?;
    // The engine judges references in full; this catches what would be sent to it as nonsense.
    let plain = image.bytes().all(|b| b.is_ascii_graphic());
    if !plain || image.is_empty() || image.contains("://") {
        root.mistake("image", &format!("`{image}` is no image: write `registry.example.com/web`"));
    }
    Some(image)
}

fn health(root: &mut Section<'_>) -> Health {
    let health = root.or("health", Health::default());
    if let Err(mistake) = health.validate() {
        root.mistake("health", &mistake.to_string());
    }
    health
}

fn route(mut section: Section<'_>) -> Option<App> {
    let hosts = section.required("hosts");
    let paths = section.optional("paths");
    let app = App {
        hosts: hosts?,
        paths: paths.unwrap_or_else(crate::app::root),
        strip_prefix: or_default(&mut section, "strip_prefix"),
        https: or_default(&mut section, "https"),
        hsts: section.optional("hsts"),
        canonical_host: section
            .optional::<String>("canonical_host")
            .map(|h| h.to_ascii_lowercase()),
        allow: or_default(&mut section, "allow"),
        deny: or_default(&mut section, "deny"),
        headers: or_default(&mut section, "headers"),
        limits: or_default(&mut section, "limits"),
        balance: or_default(&mut section, "balance"),
        sticky: or_default(&mut section, "sticky"),
        max_requests: or_default(&mut section, "max_requests"),
        queue: or_default(&mut section, "queue"),
        eject: or_default(&mut section, "eject"),
        slow_start: section.optional_duration("slow_start"),
        health: Health::default(),
        timeouts: Timeouts::default(),
    };
    if let Err(mistake) = app.validate() {
        section.mistake_here(&mistake.to_string());
    }
    Some(app)
}

fn or_default<T: DeserializeOwned + Default>(section: &mut Section<'_>, key: &str) -> T {
    section.or(key, T::default())
}

fn run(mut section: Section<'_>) -> Option<Run> {
    let port = section.required::<u16>("port");
    if port == Some(0) {
        section.mistake("port", "a port is a number from 1 to 65535");
    }
    let replicas = section.or("replicas", 1);
    if !(1..=MAX_REPLICAS).contains(&replicas) {
        section.mistake("replicas", &format!("{replicas} is not within 1 to {MAX_REPLICAS}"));
    }
    let port_range: PortRange = section.or("port_range", PortRange::default());
    // Twice the replicas run while a deploy replaces them, three times with a warm release.
    let ports = port_range.last - port_range.first + 1;
    if u32::from(ports) < 3 * u32::from(replicas) {
        let said = format!("{ports} ports are too few for {replicas} replicas: three for each");
        section.mistake("port_range", &said);
    }
    Some(Run {
        engine: engine(&mut section),
        bind: bind(&mut section),
        pull: section.or("pull", Pull::default()),
        protocol: protocol(&mut section),
        port: port?,
        replicas,
        port_range,
    })
}

fn protocol(section: &mut Section<'_>) -> Protocol {
    let protocol = section.or("protocol", Protocol::default());
    if protocol.is_tls() {
        let said = "containers on a machine of yours speak `http/1.1` or `h2c`; targets that speak \
                    TLS are announced with `shuntctl announce`";
        section.mistake("protocol", said);
    }
    protocol
}

fn engine(section: &mut Section<'_>) -> Option<String> {
    let hosts: Vec<String> = section.or("hosts", Vec::new());
    if hosts.len() > 1 {
        section.mistake("hosts", "more than one engine is not supported yet");
    }
    let host = hosts.into_iter().next()?;
    if !host.strip_prefix("unix://").is_some_and(|path| path.starts_with('/')) {
        let said = format!("`{host}` is not supported yet: write `unix:///var/run/docker.sock`");
        section.mistake("hosts", &said);
    }
    Some(host)
}

fn bind(section: &mut Section<'_>) -> IpAddr {
    let bind = section.or("bind", IpAddr::from([127, 0, 0, 1]));
    if bind.is_unspecified() || bind.is_multicast() {
        let said = format!(
            "`{bind}` is no address that a proxy could connect to: write `127.0.0.1` or this \
             machine's private address"
        );
        section.mistake("bind", &said);
    }
    bind
}

fn limits(mut section: Section<'_>) -> Limits {
    let defaults = Limits::default();
    let mut read = |key: &str, default: Duration| section.duration(key, default);
    Limits {
        health: read("health_deadline", defaults.health),
        flip: read("flip_deadline", defaults.flip),
        drain: read("drain_timeout", defaults.drain),
        warm: read("warm", defaults.warm),
        lost: read("lost_after", defaults.lost),
        stop: read("stop_timeout", defaults.stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
app   = "web"
image = "registry.example.com/acme/web"
[route]
hosts = ["www.example.com"]
[run]
port = 8080
replicas = 2
[health]
path = "/up"
"#;

    #[test]
    fn the_smallest_useful_file_is_read_with_sound_defaults() {
        let file = DeployFile::parse(FILE_NAME, SAMPLE).unwrap();
        assert_eq!(file.app.as_str(), "web");
        assert_eq!((file.run.port, file.run.replicas), (8080, 2));
        assert_eq!(file.run.bind, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(file.run.port_range.to_string(), "20000-29999");
        assert_eq!(file.run.protocol, Protocol::Http1);
        assert_eq!(file.limits, Limits::default());
    }

    #[test]
    fn a_route_says_all_that_an_app_may_want_in_front_of_it() {
        let route = r#"hosts = ["www.example.com", "example.com"]
https = "redirect"
hsts = { max_age = "365d" }
canonical_host = "www.example.com"
allow = ["10.0.0.0/8"]
deny = ["10.0.0.7"]
balance = { consistent_hash = "cookie:session" }
sticky = { to = "target", max_age = "1h" }
max_requests = 64
slow_start = "30s"
[route.headers.response.set]
X-Frame-Options = "DENY"
[route.limits]
body = "10MiB"
headers = 50
[route.queue]
length = 10
[route.eject]
failures = 3
for = "5s"
"#;
        let text = SAMPLE.replace("hosts = [\"www.example.com\"]\n", route);
        let app = DeployFile::parse(FILE_NAME, &text).unwrap().route.unwrap();
        let stored = App::parse(&serde_json::to_vec(&app).unwrap()).unwrap();
        assert_eq!(stored, app);
        assert_eq!((app.max_requests, app.limits.headers), (64, Some(50)));
        let text = SAMPLE.replace("[run]", "slow_start = \"2h\"\nbalance = \"random\"\n[run]");
        let said = format!("{:?}", DeployFile::parse(FILE_NAME, &text).unwrap_err());
        assert!(said.contains("more than 1h") && said.contains("`random`"), "{said}");
    }

    #[test]
    fn all_mistakes_of_a_file_come_out_in_one_run() {
        let text = r#"
app = "Web"
imgae = "web"
[route]
hosts = ["http://www.example.com"]
[run]
port = 0
replicas = 3
bind = "0.0.0.0"
port_range = "20000-20004"
hosts = ["ssh://root@10.0.0.11"]
pull = "allways"
[health]
pth = "/up"
[deploy]
warm = "10"
drain = "5s"
[store]
etcd = ["10.0.0.2:2379"]
"#;
        let said: Vec<String> = DeployFile::parse(FILE_NAME, text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        for (line, words) in [
            ("shunt.toml: image", "missing key"),
            ("shunt.toml:2: app", "`Web` is no name"),
            ("shunt.toml:3: imgae", "did you mean `image`?"),
            ("shunt.toml:5: route.hosts", "leave port and scheme away"),
            ("shunt.toml:7: run.port", "1 to 65535"),
            ("shunt.toml:9: run.bind", "private address"),
            ("shunt.toml:10: run.port_range", "too few"),
            ("shunt.toml:11: run.hosts", "not supported yet"),
            ("shunt.toml:12: run.pull", "did you mean `always`?"),
            ("shunt.toml:14: health.pth", "did you mean `path`?"),
            ("shunt.toml:16: deploy.warm", "not a duration"),
            ("shunt.toml:17: deploy.drain", "did you mean `drain_timeout`?"),
            ("shunt.toml:18: store", "is not `http(s)://host:port`"),
        ] {
            let hit = said.iter().any(|said| said.starts_with(line) && said.contains(words));
            assert!(hit, "{line} … {words} is not in {said:#?}");
        }
        assert_eq!(said.len(), 13, "{said:#?}");
    }
}
