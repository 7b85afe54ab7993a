//! One web application: which requests are its own, and what its releases inherit.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::balance::Balance;
use crate::cidr::Cidrs;
use crate::duration;
use crate::eject::Eject;
use crate::headers::Headers;
use crate::health::Health;
pub use crate::host::{HostPattern, PathPrefix};
use crate::https::{Hsts, Https};
use crate::limits::Limits;
use crate::preview::Preview;
use crate::queue::Queue;
use crate::sessions::Sessions;
use crate::split::{Split, Testers};
use crate::sticky::{Cookie, Sticky};
use crate::strict::{self, Mistake};
use crate::timeouts::Timeouts;

/// Requests on one target at most, whatever is written: no machine has as many ports.
const MAX_REQUESTS: u32 = 100_000;

/// The longest slow start.
const MAX_SLOW_START: Duration = Duration::from_hours(1);

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
    /// What happens to requests that come in the clear.
    #[serde(default, skip_serializing_if = "is_default")]
    pub https: Https,
    /// What browsers are told about asking over TLS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Hsts>,
    /// The host that requests for the app's other hosts are sent to with 308, lower case.
    #[serde(default, deserialize_with = "lower_case", skip_serializing_if = "Option::is_none")]
    pub canonical_host: Option<String>,
    /// Clients that are served; none for all. Others are answered with 403.
    #[serde(default, skip_serializing_if = "Cidrs::is_empty")]
    pub allow: Cidrs,
    /// Clients that are not served, even if `allow` names them.
    #[serde(default, skip_serializing_if = "Cidrs::is_empty")]
    pub deny: Cidrs,
    /// Header fields changed on their way through.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// How large a request may be.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How requests are spread over a release's targets.
    #[serde(default)]
    pub balance: Balance,
    /// Whether a visitor stays with a target or slot.
    #[serde(default)]
    pub sticky: Sticky,
    /// Whether it stays on its release after a flip.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sessions: Sessions,
    /// What decides where a request goes while `active` names both slots; by default each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Requests that go to the new release whatever its share is, while `active` names both slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testers: Option<Testers>,
    /// Requests that each proxy sends to one target at a time, at most 100,000; 0 for any number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_requests: u32,
    /// Where requests wait while every target has `max_requests`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub queue: Queue,
    /// When a target that fails requests is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub eject: Eject,
    /// For how long a target that has just been proved gets less than its share, at most 1 h.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Duration>,
    /// How the release of each slot is reached beside the app's own requests; by default not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Health check of releases that bring none of their own.
    #[serde(default)]
    pub health: Health,
    /// Timeouts of releases that bring none of their own.
    #[serde(default)]
    pub timeouts: Timeouts,
}

pub(crate) fn root() -> Vec<PathPrefix> {
    vec![PathPrefix::root()]
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn lower_case<'de, D: Deserializer<'de>>(de: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(de)?.map(|text| text.to_ascii_lowercase()))
}

fn is_root(paths: &[PathPrefix]) -> bool {
    paths == root()
}

impl App {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        let mut app: Self = strict::object(strict::text(value)?)?;
        app.validate()?;
        // Proxies keep thousands; most have one of each, and room for four was made.
        app.hosts.shrink_to_fit();
        app.paths.shrink_to_fit();
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
        if let Some((key, mistake)) = self.mistakes().into_iter().next() {
            return Err(mistake.at(&format!("`{key}`")));
        }
        if let Some(hsts) = &self.hsts {
            hsts.validate()?;
        }
        if let Some(testers) = &self.testers {
            testers.validate()?;
        }
        if let Some(preview) = &self.preview {
            preview.validate(self)?;
        }
        self.headers.validate()?;
        self.limits.validate()?;
        self.queue.validate()?;
        self.eject.validate()?;
        self.health.validate()
    }

    /// With whom a visitor stays. Where `sessions` are kept and `sticky` does not say, it is the
    /// target: a session is in the memory of one of them as a rule, and where it is not, the others
    /// do as well.
    pub fn stays_with(&self) -> Sticky {
        match (&self.sticky, self.sessions) {
            (Sticky::None, Sessions::Drain(_)) => Sticky::Target(Cookie::default()),
            (sticky, _) => sticky.clone(),
        }
    }

    /// What is out of range among the app's own keys.
    fn mistakes(&self) -> Vec<(&'static str, Mistake)> {
        let mut found = Vec::new();
        if let Err(mistake) = self.sessions.validate() {
            found.push(("sessions", mistake));
        }
        if let Some(host) = &self.canonical_host
            && !self.hosts.iter().any(|pattern| pattern.matches(host))
        {
            let said = format!("`{host}` is none of `hosts`: name it there, without a port");
            found.push(("canonical_host", Mistake::new(said)));
        }
        if self.max_requests > MAX_REQUESTS {
            let said = format!("{} is not within 0 to {MAX_REQUESTS}", self.max_requests);
            found.push(("max_requests", Mistake::new(said)));
        }
        if self.slow_start.is_some_and(|lasts| lasts > MAX_SLOW_START) {
            let said = format!("more than {}", duration::show(MAX_SLOW_START));
            found.push(("slow_start", Mistake::new(said)));
        }
        found
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
    fn what_an_app_wants_in_front_of_it_reads_back_as_it_was_written() {
        let text = r#"{"hosts":["www.example.com","example.com"],"https":"redirect",
            "hsts":{"max_age":"365d"},"canonical_host":"WWW.example.com",
            "headers":{"response":{"set":{"x-frame-options":"DENY"}}},
            "allow":["10.0.0.0/8"],"deny":["10.0.0.7"],"limits":{"body":"10MiB"},
            "balance":{"consistent_hash":"cookie:session"},
            "sticky":{"to":"target","max_age":"1h"},
            "sessions":{"idle":"10m","deadline":"2h"},
            "split":"cookie","testers":{"header":"X-Canary: yes"},
            "max_requests":64,"queue":{"length":10,"timeout":"2s"},
            "eject":{"failures":3,"for":"5s"},"slow_start":"30s","preview":{"host":"{slot}.{host}"},
            "timeouts":{"tunnel":"2h"}}"#;
        let app = App::parse(text.as_bytes()).unwrap();
        assert_eq!(app.canonical_host.as_deref(), Some("www.example.com"));
        assert_eq!(app.eject.failures, 3);
        let written = serde_json::to_vec(&app).unwrap();
        assert_eq!(App::parse(&written).unwrap(), app);
        // What is not asked for takes no room in what is kept on disk.
        let bare = App::parse(br#"{"hosts":["a"]}"#).unwrap();
        let written = serde_json::to_string(&bare).unwrap();
        assert!(
            ["queue", "limits", "split", "sessions"].iter().all(|key| !written.contains(key)),
            "{written}"
        );
    }

    #[test]
    fn bad_apps_are_refused_with_a_reason() {
        for (value, word) in [
            (r#"{"hosts":[]}"#, "empty"),
            (r#"{"host":["a"]}"#, "did you mean `hosts`?"),
            (r#"{"hosts":"a"}"#, "has to be a list"),
            (r#"{"hosts":["http://a"]}"#, "leave port and scheme away"),
            (r#"{"hosts":["a"],"paths":["api"]}"#, "no path prefix"),
            (r#"{"hosts":["a"],"balance":"round-robin"}"#, "did you mean `round_robin`?"),
            (r#"{"hosts":["a"],"health":{"interval":"1"}}"#, "not a duration"),
            (r#"{"hosts":["a"],"https":"on"}"#, "unknown variant `on`"),
            (r#"{"hosts":["a"],"hsts":{"max_age":"1d","preload":true}}"#, "include_subdomains"),
            (r#"{"hosts":["a"],"canonical_host":"b"}"#, "`canonical_host`: `b` is none of `hosts`"),
            (r#"{"hosts":["*"],"canonical_host":"a:80"}"#, "without a port"),
            (r#"{"hosts":["a"],"allow":["10.0.0.1/8"]}"#, "write `10.0.0.0/8`"),
            (r#"{"hosts":["a"],"headers":{"request":{"set":{"Host":"b"}}}}"#, "canonical_host"),
            (r#"{"hosts":["a"],"limits":{"headers":0}}"#, "`limits.headers`"),
            (r#"{"hosts":["a"],"sticky":"visitor"}"#, "expected one of"),
            (r#"{"hosts":["a"],"sessions":{"idle":"9h"}}"#, "`sessions`: `idle` (9h) is longer"),
            (r#"{"hosts":["a"],"split":"visitor"}"#, "expected one of"),
            (r#"{"hosts":["a"],"testers":{}}"#, "neither `header` nor `cookie`"),
            (r#"{"hosts":["a"],"max_requests":100001}"#, "`max_requests`: 100001 is not within"),
            (r#"{"hosts":["a"],"queue":{"length":100001}}"#, "`queue.length`"),
            (r#"{"hosts":["a"],"eject":{"failures":1001}}"#, "`eject.failures`"),
            (r#"{"hosts":["a"],"eject":{"fore":"1s"}}"#, "unknown key `fore`"),
            (r#"{"hosts":["a"],"slow_start":"2h"}"#, "`slow_start`: more than 1h"),
            (r#"{"hosts":["*.*.a"]}"#, "no host name"),
            ("[]", "no JSON object"),
            ("www.example.com", "no JSON object"),
        ] {
            let said = App::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
    }
}
