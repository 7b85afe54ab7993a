//! One web application: which requests are its own, and what its releases inherit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::address::is_host;
use crate::health::Health;
use crate::strict::{self, Mistake};
use crate::timeouts::Timeouts;

/// The value of `apps/<app>/app`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Host names that are this app's.
    pub hosts: Vec<HostPattern>,
    /// Path prefixes that are this app's; by default all.
    #[serde(default = "root", skip_serializing_if = "is_root")]
    pub paths: Vec<PathPrefix>,
    /// Whether the matched prefix is taken off before the request is forwarded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strip_prefix: bool,
    /// How requests are spread over a release's targets.
    #[serde(default)]
    pub balance: Balance,
    /// Whether a visitor stays with a target or slot.
    #[serde(default)]
    pub sticky: Sticky,
    /// Health check of releases that bring none of their own.
    #[serde(default)]
    pub health: Health,
    /// Timeouts of releases that bring none of their own.
    #[serde(default)]
    pub timeouts: Timeouts,
}

pub(crate) fn root() -> Vec<PathPrefix> {
    vec![PathPrefix("/".to_owned())]
}

fn is_root(paths: &[PathPrefix]) -> bool {
    paths == root()
}

impl App {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        let app: Self = strict::json(strict::text(value)?)?;
        app.validate()?;
        Ok(app)
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.hosts.is_empty() {
            return Err(Mistake::new("`hosts` is empty: name one, or `*` for all"));
        }
        if self.paths.is_empty() {
            return Err(Mistake::new("`paths` is empty: leave it away for all"));
        }
        self.health.validate()
    }
}

/// How requests are spread over a release's targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
}

/// Whether a visitor stays with a target or slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// No.
    #[default]
    None,
}

/// A host name an app answers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// `www.example.com`, lower case.
    Exact(String),
    /// `*.example.com`: exactly one label before the suffix, which is kept without `*.`.
    Wildcard(String),
    /// `*`: every host no other app answers to.
    Any,
}

impl FromStr for HostPattern {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let shown: String = text.chars().take(100).collect();
        let host = text.to_ascii_lowercase();
        let name = host.strip_prefix("*.").unwrap_or(&host);
        if host == "*" {
            return Ok(Self::Any);
        }
        if host.contains(':') {
            let said = format!("host `{shown}`: leave port and scheme away");
            return Err(Mistake::new(said));
        }
        if !is_host(name) || name.ends_with('.') {
            let said = format!(
                "`{shown}` is no host name: write `www.example.com`, `*.example.com` or `*`"
            );
            return Err(Mistake::new(said));
        }
        let wildcard = name.len() != host.len();
        Ok(if wildcard { Self::Wildcard(name.to_owned()) } else { Self::Exact(host) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.pad(host),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.pad("*"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(de::Error::custom)
    }
}

/// A path prefix in whole segments: `/api` matches `/api` and `/api/x`, not `/apix`. Kept without
/// the slash at its end, but for `/` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` lies under this prefix.
    pub fn matches(&self, path: &str) -> bool {
        if self.0 == "/" {
            return true;
        }
        path.strip_prefix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for PathPrefix {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
        let dots = text.split('/').any(|segment| segment == "." || segment == "..");
        if !text.starts_with('/') || !plain || dots || text.contains("//") || text.len() > 1024 {
            let shown: String = text.chars().take(100).collect();
            let said = format!("`{shown}` is no path prefix: write `/` or `/api`");
            return Err(Mistake::new(said));
        }
        let trimmed = text.trim_end_matches('/');
        Ok(Self(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }))
    }
}

impl<'de> Deserialize<'de> for PathPrefix {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_app_is_a_host() {
        let app = App::parse(br#"{"hosts":["www.Example.com"]}"#).unwrap();
        assert_eq!(app.hosts, [HostPattern::Exact("www.example.com".into())]);
        assert!(app.paths[0].matches("/anything"));
    }

    #[test]
    fn a_prefix_matches_whole_segments() {
        let prefix: PathPrefix = "/api/".parse().unwrap();
        assert!(prefix.matches("/api") && prefix.matches("/api/x"));
        assert!(!prefix.matches("/apix") && !prefix.matches("/"));
    }

    #[test]
    fn bad_apps_are_refused_with_a_reason() {
        for (value, word) in [
            (r#"{"hosts":[]}"#, "empty"),
            (r#"{"host":["a"]}"#, "did you mean `hosts`?"),
            (r#"{"hosts":"a"}"#, "invalid type"),
            (r#"{"hosts":["http://a"]}"#, "leave port and scheme away"),
            (r#"{"hosts":["a"],"paths":["api"]}"#, "no path prefix"),
            (r#"{"hosts":["a"],"balance":"round-robin"}"#, "did you mean `round_robin`?"),
            (r#"{"hosts":["a"],"health":{"interval":"1"}}"#, "not a duration"),
            (r#"{"hosts":["*.*.a"]}"#, "no host name"),
            ("[]", "invalid"),
            ("www.example.com", "expected value"),
        ] {
            let said = App::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
    }
}
