//! What runs in a slot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Target;
use crate::engine::Engine;
use crate::health::Health;
use crate::protocol::{Protocol, ProxyProtocol, TargetTls};
use crate::strict::{self, Mistake};
use crate::timeouts::Timeouts;
use crate::token::Token;

/// Targets of one release at most; more is a slip, and each one is probed by every proxy.
pub const MAX_TARGETS: usize = 256;

/// The value of `apps/<app>/blue` and `apps/<app>/green`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What people call it: `1.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image its containers run, by digest where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What its targets speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// How its targets prove who they are; only where they speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TargetTls>,
    /// The PROXY header that connections to its targets begin with; only with HTTP/1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Where it answers.
    pub targets: Vec<Target>,
    /// Its health check; gaps are filled from the app's.
    #[serde(default)]
    pub health: Health,
    /// Its timeouts; gaps are filled from the app's.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The deploy that started its containers; `None` where someone else runs its targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
    /// The engines those run on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Engine>,
    /// Its containers that get no requests: how many by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workers: BTreeMap<String, u16>,
    /// Who put it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was put there, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<jiff::Timestamp>,
}

impl Release {
    /// Reads a stored value: JSON, or bare targets separated by commas or spaces.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        let text = strict::text(value)?;
        // `[::1]:9001` is a target, not a list.
        let list = text.starts_with('[') && !text.contains("]:");
        let mut release = match list || text.starts_with(['{', '"']) {
            true => strict::object(text).map_err(|mistake| match text.starts_with('{') {
                true => mistake,
                false => Mistake::new(format!(
                    "{mistake}: write `10.0.0.11:9001`, or `{{\"targets\":[…]}}`"
                )),
            })?,
            false => Self { targets: bare(text)?, ..Self::default() },
        };
        release.validate()?;
        // Proxies keep thousands; most have one, and room for four was made.
        release.targets.shrink_to_fit();
        Ok(release)
    }

    /// Where the sessions of its visitors are: in the containers of one deploy, which are the same
    /// however often they are announced, or else in what stands behind the announcement `token`.
    pub fn home<'a>(&'a self, token: &'a Token) -> &'a str {
        self.deploy.as_deref().unwrap_or(token.as_str())
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.targets.is_empty() {
            return Err(Mistake::new("`targets` is empty: name at least one `host:port`"));
        }
        if self.targets.len() > MAX_TARGETS {
            let said = format!("{} targets are more than {MAX_TARGETS}", self.targets.len());
            return Err(Mistake::new(said));
        }
        for (i, target) in self.targets.iter().enumerate() {
            if self.targets[..i].iter().any(|t| t.address == target.address) {
                return Err(Mistake::new(format!("target `{}` is named twice", target.address)));
            }
        }
        if let Some(tls) = &self.tls {
            if !self.protocol.is_tls() {
                let said = "`tls` goes with `\"protocol\": \"https\"` or `\"h2\"`";
                return Err(Mistake::new(said));
            }
            tls.validate()?;
        }
        if self.proxy_protocol.is_some() && self.protocol.is_http2() {
            let said = "`proxy_protocol` names one client, and a connection of `h2` or `h2c` \
                        serves many: use `http/1.1` or `https`";
            return Err(Mistake::new(said));
        }
        self.health.validate()
    }
}

/// `10.0.0.11:9001 10.0.0.12:9001`
fn bare(text: &str) -> Result<Vec<Target>, Mistake> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map(Target::new))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_targets_are_a_release() {
        let release = Release::parse(b"10.0.0.11:9001, 10.0.0.12:9001\n").unwrap();
        assert_eq!(release.targets.len(), 2);
        assert_eq!(release.targets[1].address.to_string(), "10.0.0.12:9001");
    }

    #[test]
    fn an_ipv6_target_is_no_json() {
        let release = Release::parse(b"[::1]:9001 [fd00::2]:9001").unwrap();
        assert_eq!(release.targets[0].address.to_string(), "[::1]:9001");
    }

    #[test]
    fn json_takes_targets_with_and_without_weight() {
        let text = br#"{"version":"1.1","targets":["a:1",{"address":"b:2","weight":2}]}"#;
        let release = Release::parse(text).unwrap();
        assert_eq!(release.targets[0].weight, 1);
        assert_eq!(release.targets[1].weight, 2);
        let written = serde_json::to_vec(&release).unwrap();
        assert_eq!(Release::parse(&written).unwrap(), release);
    }

    #[test]
    fn what_targets_speak_is_read() {
        for text in [
            r#"{"protocol":"http/1.1","targets":["a:1"],"proxy_protocol":"v1"}"#,
            r#"{"protocol":"h2c","targets":["a:1"]}"#,
            r#"{"protocol":"https","targets":["a:1"],"tls":{"ca":"/etc/ca.pem"}}"#,
            r#"{"protocol":"h2","targets":["a:1"],"tls":{"server_name":"web.internal"}}"#,
        ] {
            let release = Release::parse(text.as_bytes()).unwrap();
            let written = serde_json::to_vec(&release).unwrap();
            assert_eq!(Release::parse(&written).unwrap(), release, "{text}");
        }
    }

    #[test]
    fn bad_releases_are_refused_with_a_reason() {
        for (value, word) in [
            ("", "empty"),
            (",", "empty"),
            ("green", "port is missing"),
            ("{}", "missing key `targets`"),
            ("[]", "no JSON object"),
            (r#"["a:1"]"#, "write `10.0.0.11:9001`"),
            (r#"{"targets":[]}"#, "empty"),
            (r#"{"targets":["a:1","a:1"]}"#, "named twice"),
            (r#"{"targets":["a:0"]}"#, "1 to 65535"),
            (r#"{"targets":[{"address":"a:1","weight":0}]}"#, "1 to 1000"),
            (r#"{"targets":[{"adress":"a:1"}]}"#, "adress"),
            (r#"{"targets":["a:1"],"protocol":"h3"}"#, "h3"),
            (r#"{"targets":["a:1"],"tls":{}}"#, "goes with `\"protocol\": \"https\"`"),
            (r#"{"targets":["a:1"],"protocol":"h2","tls":{"ca":"ca.pem"}}"#, "not absolute"),
            (r#"{"targets":["a:1"],"protocol":"h2","tls":{"server_name":"a b"}}"#, "no host name"),
            (r#"{"targets":["a:1"],"protocol":"h2","tls":{"sni":"a"}}"#, "unknown key `sni`"),
            (r#"{"targets":["a:1"],"protocol":"h2c","proxy_protocol":"v2"}"#, "names one client"),
            (r#"{"targets":["a:1"],"proxy_protocol":"v3"}"#, "v3"),
            (r#"{"targets":["a:1"],"healht":{}}"#, "did you mean `health`?"),
            (r#"{"targets":["a:1"],"health":{"fall":0}}"#, "1 to 100"),
        ] {
            let said = Release::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
    }
}
