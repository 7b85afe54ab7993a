//! Whether an app is asked for over TLS only.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::duration;
use crate::strict::Mistake;

/// What happens to requests that come in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Https {
    /// They are served.
    #[default]
    Off,
    /// They are sent to `https://` with 308, but for those that prove a domain to a certificate
    /// authority (`/.well-known/acme-challenge/`, RFC 8555 8.3).
    Redirect,
}

/// `Strict-Transport-Security` (RFC 6797), sent over TLS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsts {
    /// For how long a browser asks over TLS only; `0s` takes an earlier word back.
    #[serde(serialize_with = "duration::serialize", deserialize_with = "max_age")]
    pub max_age: Duration,
    /// Whether all names below the host are meant too.
    #[serde(default)]
    pub include_subdomains: bool,
    /// Whether browsers may ship the host in their lists. Hard to take back.
    #[serde(default)]
    pub preload: bool,
}

/// What the lists of browsers ask for at least: one year.
const PRELOAD: Duration = Duration::from_hours(365 * 24);

impl Hsts {
    /// The field's value, for example `max-age=31536000; includeSubDomains`.
    pub fn value(&self) -> String {
        let subdomains = if self.include_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.preload { "; preload" } else { "" };
        format!("max-age={}{subdomains}{preload}", self.max_age.as_secs())
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if self.preload && (!self.include_subdomains || self.max_age < PRELOAD) {
            let said = "`hsts.preload` asks for `include_subdomains` and a `max_age` of a year";
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}

fn max_age<'de, D: Deserializer<'de>>(de: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(de)?;
    match text.trim() {
        "0" | "0s" => Ok(Duration::ZERO),
        text => duration::parse(text).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hsts, Mistake> {
        let hsts: Hsts = crate::strict::json(text)?;
        hsts.validate()?;
        Ok(hsts)
    }

    #[test]
    fn the_value_says_what_was_asked_for() {
        for (text, value) in [
            (r#"{"max_age":"365d"}"#, "max-age=31536000"),
            (r#"{"max_age":"0s"}"#, "max-age=0"),
            (
                r#"{"max_age":"730d","include_subdomains":true,"preload":true}"#,
                "max-age=63072000; includeSubDomains; preload",
            ),
        ] {
            let hsts = read(text).unwrap();
            assert_eq!(hsts.value(), value);
            assert_eq!(read(&serde_json::to_string(&hsts).unwrap()).unwrap(), hsts);
        }
    }

    #[test]
    fn what_no_list_would_take_is_refused() {
        for (text, word) in [
            (r#"{"max_age":"365d","preload":true}"#, "include_subdomains"),
            (r#"{"max_age":"30d","preload":true,"include_subdomains":true}"#, "a year"),
            (r#"{"max_age":31536000}"#, "has to be a text"),
            ("{}", "missing key `max_age`"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
