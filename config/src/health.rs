//! How a target proves that it can answer.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::duration;
use crate::strict::Mistake;

/// Time between two checks: more often, they would be a load of their own on proxy and target, since
/// every proxy asks every target; more seldom, they would tell nothing.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(24);
/// Time that a check may take.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);

/// A health check as written: what is left out comes from the app, then from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// `http` or `tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CheckKind>,
    /// Path and query to ask for, beginning with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<CheckPath>,
    /// `GET`, `HEAD` or `OPTIONS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<CheckMethod>,
    /// `Host` to send; by default the target's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port to ask on, where it is not the target's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Statuses that count as healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Statuses>,
    /// Time between the starts of two checks.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Time one check may take.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Passes in a row that make a target healthy, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rise: Option<Count>,
    /// Failures in a row that make it unhealthy, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fall: Option<Count>,
}

/// A health check with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `http` or `tcp`.
    pub kind: CheckKind,
    /// Path and query.
    pub path: String,
    /// Method.
    pub method: CheckMethod,
    /// `Host` to send, or the target's own address.
    pub host: Option<String>,
    /// Port, or the target's own.
    pub port: Option<u16>,
    /// Healthy statuses.
    pub status: Statuses,
    /// Time between the starts of two checks.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Time one check may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Passes in a row that make a target healthy.
    pub rise: u32,
    /// Failures in a row that make it unhealthy.
    pub fall: u32,
}

impl Health {
    /// This check with its gaps filled from `defaults` (the app's), then from the built-in ones.
    pub fn over(&self, defaults: &Self) -> Check {
        macro_rules! pick {
            ($field:ident) => {
                self.$field.clone().or_else(|| defaults.$field.clone())
            };
        }
        Check {
            kind: pick!(kind).unwrap_or(CheckKind::Http),
            path: pick!(path).map_or_else(|| "/up".to_owned(), |p| p.0),
            method: pick!(method).unwrap_or(CheckMethod::Get),
            host: pick!(host),
            port: pick!(port),
            status: pick!(status).unwrap_or_default(),
            interval: pick!(interval).unwrap_or(Duration::from_secs(1)),
            timeout: pick!(timeout).unwrap_or(Duration::from_secs(5)),
            rise: pick!(rise).map_or(1, |c| u32::from(c.0)),
            fall: pick!(fall).map_or(3, |c| u32::from(c.0)),
        }
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.port == Some(0) {
            return Err(Mistake::new("`health.port`: a port is a number from 1 to 65535"));
        }
        if let Some(interval) = self.interval.filter(|interval| !INTERVAL.contains(interval)) {
            return Err(out_of("interval", interval, &INTERVAL));
        }
        if let Some(timeout) = self.timeout.filter(|timeout| !TIMEOUT.contains(timeout)) {
            return Err(out_of("timeout", timeout, &TIMEOUT));
        }
        if let Some(host) = &self.host
            && !crate::address::is_host(host.split(':').next().unwrap_or_default())
        {
            return Err(Mistake::new(format!("`health.host`: `{host}` is no host name")));
        }
        if self.kind == Some(CheckKind::Tcp) && (self.path.is_some() || self.status.is_some()) {
            let said = "`health`: a check of kind `tcp` has neither `path` nor `status`";
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}

fn out_of(field: &str, found: Duration, allowed: &RangeInclusive<Duration>) -> Mistake {
    let [found, least, most] = [found, *allowed.start(), *allowed.end()].map(duration::show);
    Mistake::new(format!("`health.{field}`: {found} is out of range: from {least} to {most}"))
}

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// A request is answered with one of the wanted statuses.
    Http,
    /// A connection is accepted and stays open for 100 ms: Docker's own forwarder accepts before
    /// the app listens and closes at once.
    Tcp,
}

/// Method of a check: only those that change nothing (RFC 9110 9.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
}

/// A path and query to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CheckPath(String);

impl CheckPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CheckPath {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains('#');
        match text.starts_with('/') && plain && text.len() <= 2048 {
            true => Ok(Self(text.to_owned())),
            false => Err(Mistake::new(format!("`{text}` is no path: it begins with `/`"))),
        }
    }
}

/// How often in a row: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Count(u8);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let n = u64::deserialize(de)?;
        u8::try_from(n)
            .ok()
            .filter(|n| (1..=100).contains(n))
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("{n} is not within 1 to 100")))
    }
}

/// Statuses that count as healthy: `200`, `200-399`, `200,204,300-399`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Whether `status` is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl Default for Statuses {
    /// 200 to 399: an app that redirects `/up` to its log-in page is up.
    fn default() -> Self {
        Self(vec![(200, 399)])
    }
}

impl FromStr for Statuses {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let wrong = || {
            Mistake::new(format!(
                "`{text}` is no list of statuses: write `200`, `200-399` or `200,204` (100 to 599)"
            ))
        };
        let number =
            |t: &str| t.trim().parse().ok().filter(|n| (100..=599).contains(n)).ok_or_else(wrong);
        let range = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high) = (number(low)?, number(high)?);
            if low > high { Err(wrong()) } else { Ok((low, high)) }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (low, high)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match low == high {
                true => write!(f, "{comma}{low}")?,
                false => write!(f, "{comma}{low}-{high}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Statuses {
    /// From text, or from a bare number, which is what most people write for one status.
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(de)? {
            serde_json::Value::String(text) => text.parse().map_err(de::Error::custom),
            other => other.to_string().parse().map_err(de::Error::custom),
        }
    }
}

read_by_text!(CheckPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_comes_from_the_app_and_then_from_the_defaults() {
        let release: Health = crate::strict::json(r#"{"path":"/ready"}"#).unwrap();
        let app: Health = crate::strict::json(r#"{"path":"/up","interval":"2s"}"#).unwrap();
        let check = release.over(&app);
        assert_eq!(check.path, "/ready");
        assert_eq!(check.interval, Duration::from_secs(2));
        assert_eq!(check.fall, 3);
    }

    #[test]
    fn intervals_and_timeouts_that_make_no_sense_are_refused_with_the_range() {
        for (json, said) in [
            (r#"{"interval":"1ns"}"#, "`health.interval`: 1ns is out of range: from 10ms to 1day"),
            (r#"{"interval":"9ms"}"#, "from 10ms"),
            (r#"{"interval":"25h"}"#, "`health.interval`: 1day 1h is out of range"),
            (r#"{"timeout":"1us"}"#, "`health.timeout`: 1us is out of range: from 1ms to 1h"),
            (r#"{"timeout":"2h"}"#, "from 1ms to 1h"),
        ] {
            let health: Health = crate::strict::json(json).unwrap();
            let mistake = health.validate().unwrap_err().to_string();
            assert!(mistake.contains(said), "{json}: {mistake}");
        }
        let health: Health = crate::strict::json(r#"{"interval":"10ms","timeout":"1ms"}"#).unwrap();
        assert_eq!(health.validate(), Ok(()));
    }

    #[test]
    fn statuses_are_lists_of_numbers_and_ranges() {
        let some: Statuses = "200, 301-303".parse().unwrap();
        assert!(some.contains(200) && some.contains(302) && !some.contains(204));
        assert_eq!(some.to_string(), "200,301-303");
        for bad in ["", "2xx", "399-200", "0", "200-", "600"] {
            assert!(bad.parse::<Statuses>().is_err(), "{bad}");
        }
    }
}
