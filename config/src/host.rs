//! Which requests are an app's own: by host, and by path prefix.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::address::is_host;
use crate::strict::Mistake;

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

impl HostPattern {
    /// Whether `host`, a name in lower case without a port, is this app's.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(suffix) => {
                host.split_once('.').is_some_and(|(_, rest)| rest == suffix) && is_host(host)
            }
            Self::Any => is_host(host),
        }
    }
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

by_text!(HostPattern);

/// A path prefix in whole segments: `/api` matches `/api` and `/api/x`, not `/apix`. Kept without
/// the slash at its end, but for `/` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// All paths.
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }

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

read_by_text!(PathPrefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_pattern_matches_whole_names() {
        let wild: HostPattern = "*.example.com".parse().unwrap();
        assert!(wild.matches("www.example.com"));
        assert!(!wild.matches("example.com") && !wild.matches("a.b.example.com"));
        assert!(HostPattern::Any.matches("a") && !HostPattern::Any.matches("a:80"));
    }

    #[test]
    fn a_prefix_matches_whole_segments() {
        let prefix: PathPrefix = "/api/".parse().unwrap();
        assert!(prefix.matches("/api") && prefix.matches("/api/x"));
        assert!(!prefix.matches("/apix") && !prefix.matches("/"));
    }
}
