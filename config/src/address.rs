//! Where a release answers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::by_name::ByName;
use crate::strict::Mistake;

/// Where a target answers: `host:port`, `[::1]:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name or IP address (without brackets) and a port.
    Tcp {
        /// DNS name, IPv4 or IPv6 address, lower case.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// An absolute path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let shown: String = text.chars().take(100).collect();
        let wrong = |why: &str| {
            Mistake::new(format!("`{shown}` is no target (`host:port` or `unix:/path`): {why}"))
        };
        // In capitals, too: a host of that name would read as a path once it is written down.
        let (scheme, path) = text.split_at_checked(5).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("unix:") {
            // sun_path holds 108 bytes with its closing NUL: unix(7).
            return match path.starts_with('/') && path.len() < 108 && !path.contains('\0') {
                true => Ok(Self::Unix(PathBuf::from(path))),
                false => Err(wrong("a socket path is absolute and under 108 bytes")),
            };
        }
        if text.contains("://") {
            return Err(wrong("leave the scheme away"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
        let port = match port.parse::<u16>() {
            Ok(number) if number > 0 && !port.starts_with('+') => number,
            _ => return Err(wrong("a port is a number from 1 to 65535")),
        };
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(wrong("the host is neither a DNS name nor an IP address")),
        };
        Ok(Self::Tcp { host: host.to_ascii_lowercase(), port })
    }
}

/// Whether `host` is an IPv4 address or a DNS name (underscores allowed: Compose service names).
pub(crate) fn is_host(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let numeric = host.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    // A name whose last label is a number is an IPv4 address or nothing: WHATWG URL 3.5.
    match numeric {
        true => host.parse::<std::net::Ipv4Addr>().is_ok(),
        false => host.len() <= 253 && host.split('.').all(label),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

by_text!(Address);

/// One target of a release: an address and its share of the release's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Where it answers.
    pub address: Address,
    /// Share of requests relative to the other targets, 1 to 1000.
    pub weight: u16,
}

impl Target {
    /// The target at `address` with weight 1.
    pub fn new(address: Address) -> Self {
        Self { address, weight: 1 }
    }
}

impl<'de> Deserialize<'de> for Target {
    /// From `"host:port"` or `{"address": "host:port", "weight": 2}`.
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            address: Address,
            #[serde(default = "one")]
            weight: u16,
        }
        fn one() -> u16 {
            1
        }
        // Not an untagged enum: that would swallow the reason and say "did not match any variant".
        match serde_json::Value::deserialize(de)? {
            serde_json::Value::String(text) => {
                text.parse().map(Self::new).map_err(de::Error::custom)
            }
            value => {
                let full = Full::deserialize(ByName(value)).map_err(de::Error::custom)?;
                if !(1..=1000).contains(&full.weight) {
                    let said = format!("weight {} is not within 1 to 1000", full.weight);
                    return Err(de::Error::custom(said));
                }
                Ok(Self { address: full.address, weight: full.weight })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_were_written() {
        for text in ["10.0.0.11:9001", "web_1:80", "[::1]:8080", "unix:/run/web.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let capitals = "UNIX:/run/web.sock".parse::<Address>().unwrap();
        assert_eq!(capitals.to_string(), "unix:/run/web.sock");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":80",
            "web",
            "web:",
            "web:0",
            "web:65536",
            "web:+80",
            "http://web:80",
            "a b:80",
            "unix:relative",
            "Unix:8",
            "10.0.0.256:80",
            "::1:80",
            "[::g]:80",
            "-web:80",
            "a..b:80",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
