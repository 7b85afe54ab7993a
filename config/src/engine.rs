//! Which engine runs containers or units, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::address::is_host;
use crate::strict::Mistake;

/// Where Docker engines that speak TLS listen.
const TLS_PORT: u16 = 2376;

/// An engine, Docker or systemd: where it is, and the files that connections to it need.
///
/// Written as its URL, or as a table where it has files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Engine {
    /// Where it is.
    pub url: EngineUrl,
    /// What TLS needs, if it is named; only for `tcp://`.
    pub files: Option<TlsFiles>,
}

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineUrl {
    /// `unix:///var/run/docker.sock`: on this machine.
    Unix(PathBuf),
    /// `tcp://10.0.0.11:2376`: with TLS, always.
    Tcp {
        /// Host name or address.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// `ssh://root@10.0.0.11`: through `ssh`, and whatever its configuration says of this host.
    Ssh {
        /// The user; by default the one `ssh` takes.
        user: Option<String>,
        /// Host name, address, or a `Host` of the ssh configuration.
        host: String,
        /// The port; by default the one `ssh` takes.
        port: Option<u16>,
    },
    /// `systemd://local`: units of this machine.
    Systemd,
    /// `systemd+ssh://root@10.0.0.11`: units of another machine, through `ssh`.
    SystemdSsh {
        /// The user; by default the one `ssh` takes.
        user: Option<String>,
        /// Host name, address, or a `Host` of the ssh configuration.
        host: String,
        /// The port; by default the one `ssh` takes.
        port: Option<u16>,
    },
}

/// The files of a TLS connection that both sides prove themselves on. Absolute, PEM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// By whom the engine's certificate is signed.
    pub ca: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl EngineUrl {
    /// The host it is on, where it has one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) | Self::Systemd => None,
            Self::Tcp { host, .. } | Self::Ssh { host, .. } | Self::SystemdSsh { host, .. } => {
                Some(host)
            }
        }
    }

    /// Whether it runs units, not containers.
    pub fn is_systemd(&self) -> bool {
        matches!(self, Self::Systemd | Self::SystemdSsh { .. })
    }
}

impl FromStr for EngineUrl {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let shown: String = text.chars().take(100).collect();
        let wrong = |why: &str| Mistake::new(format!("`{shown}` is no engine: {why}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("write `unix:///…`, `ssh://user@host` or `tcp://host:2376`"));
        };
        if scheme == "unix" {
            return match rest.starts_with('/') && !rest.contains('\0') {
                true => Ok(Self::Unix(rest.into())),
                false => Err(wrong("the path of a socket is absolute")),
            };
        }
        if scheme == "systemd" {
            return match rest {
                "local" => Ok(Self::Systemd),
                _ => Err(wrong("write `systemd://local` or `systemd+ssh://user@host`")),
            };
        }
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if place.contains('/') {
            return Err(wrong("nothing comes after host and port"));
        }
        let (host, port) =
            host_and_port(place).ok_or_else(|| wrong("write `host` or `host:port`"))?;
        match (scheme, user) {
            ("tcp", None) => Ok(Self::Tcp { host, port: port.unwrap_or(TLS_PORT) }),
            ("tcp", Some(_)) => Err(wrong("it knows its users by their certificates")),
            ("ssh" | "systemd+ssh", Some(user)) if !is_user(user) => {
                Err(wrong("what is before `@` is no user"))
            }
            ("ssh", user) => Ok(Self::Ssh { user: user.map(str::to_owned), host, port }),
            ("systemd+ssh", user) => {
                Ok(Self::SystemdSsh { user: user.map(str::to_owned), host, port })
            }
            _ => Err(wrong("it is reached by `unix://`, `ssh://` or `tcp://` with TLS")),
        }
    }
}

/// A port is there or not; it is never 0.
fn host_and_port(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            v6.parse::<std::net::Ipv6Addr>().ok()?;
            (
                v6,
                rest.strip_prefix(':')
                    .or(rest.is_empty().then_some(""))
                    .map(|p| (!p.is_empty()).then_some(p))?,
            )
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|n| *n > 0 && !port.starts_with('+'))?),
        None => None,
    };
    (host.contains(':') || is_host(host)).then(|| (host.to_ascii_lowercase(), port))
}

/// Whether `text` names an instance of a template unit: `web-blue@9001.service`. Nothing that a shell, a
/// path or an option could be made of, though systemd itself allows some of it.
pub fn is_unit(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":_.-".contains(&b);
    let name = text.strip_suffix(".service").and_then(|name| name.split_once('@'));
    // systemd's own limit: UNIT_NAME_MAX.
    text.len() < 256
        && name.is_some_and(|(prefix, instance)| {
            let sound = |part: &str| !part.is_empty() && part.bytes().all(plain);
            sound(prefix) && sound(instance) && !prefix.starts_with(['-', '.'])
        })
}

/// Nothing that `ssh` could take for one of its options.
fn is_user(user: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(plain)
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{}:{port}", bracketed(host)),
            Self::Systemd => f.write_str("systemd://local"),
            Self::Ssh { user, host, port } | Self::SystemdSsh { user, host, port } => {
                f.write_str(if self.is_systemd() { "systemd+ssh://" } else { "ssh://" })?;
                user.iter().try_for_each(|user| write!(f, "{user}@"))?;
                f.write_str(&bracketed(host))?;
                port.iter().try_for_each(|port| write!(f, ":{port}"))
            }
        }
    }
}

read_by_text!(EngineUrl);

impl From<EngineUrl> for Engine {
    fn from(url: EngineUrl) -> Self {
        Self { url, files: None }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Serialize for Engine {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Full<'a> {
            engine: String,
            #[serde(flatten)]
            files: &'a TlsFiles,
        }
        match &self.files {
            None => ser.collect_str(&self.url),
            Some(files) => Full { engine: self.url.to_string(), files }.serialize(ser),
        }
    }
}

/// An engine's table, and what a deploy file may say beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EngineTable<A> {
    engine: EngineUrl,
    #[serde(default = "none")]
    pub(crate) address: Option<A>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn none<A>() -> Option<A> {
    None
}

impl<A> EngineTable<A> {
    /// The engine, if its files go together.
    pub(crate) fn engine(&self) -> Result<Engine, Mistake> {
        let url = self.engine.clone();
        let files = match (&self.ca, &self.certificate, &self.key) {
            (None, None, None) => return Ok(url.into()),
            (Some(ca), Some(certificate), Some(key)) => {
                TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }
            }
            _ => return Err(Mistake::new("`ca`, `certificate` and `key` go together")),
        };
        if !matches!(url, EngineUrl::Tcp { .. }) {
            return Err(Mistake::new(format!(
                "`ca`, `certificate` and `key` are for `tcp://`, not for `{url}`"
            )));
        }
        let relative =
            [&files.ca, &files.certificate, &files.key].into_iter().find(|p| p.is_relative());
        if let Some(path) = relative {
            return Err(Mistake::new(format!("the path `{}` is not absolute", path.display())));
        }
        Ok(Engine { url, files: Some(files) })
    }
}

impl<'de> Deserialize<'de> for Engine {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Engine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL of an engine, or a table with `engine`")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<Engine, E> {
                url.parse::<EngineUrl>().map(Engine::from).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Engine, A::Error> {
                // What has no value has no address.
                let table = EngineTable::<Never>::deserialize(MapAccessDeserializer::new(map))?;
                table.engine().map_err(de::Error::custom)
            }
        }

        de.deserialize_any(Reader)
    }
}

#[derive(Deserialize)]
enum Never {}

#[cfg(test)]
mod tests;
