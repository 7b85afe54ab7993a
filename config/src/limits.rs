//! How large a request may be.

use serde::{Deserialize, Serialize};

use crate::size::Size;
use crate::strict::Mistake;

/// Bytes of one head at least that a proxy reads: less would refuse what browsers send.
const MIN_HEADER_BYTES: Size = Size::kib(8);

/// Bytes of one head at most: each connection may hold that much.
const MAX_HEADER_BYTES: Size = Size::mib(1);

/// Header lines at most.
const MAX_HEADERS: u32 = 1000;

/// Bytes of a request target at most: `http::Uri` holds no more.
const MAX_URI: Size = Size::bytes(65_534);

/// Limits as an app writes them: what is left out is the proxy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one request body; 0 for any number. Goes before the proxy's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
    /// Bytes of one request target (path and query), 1 to 65534. Can only lower the proxy's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<Size>,
    /// Bytes of one request head, 8 KiB to 1 MiB. Can only lower the proxy's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<Size>,
    /// Header lines of one request, 1 to 1000. Can only lower the proxy's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<u32>,
}

/// Limits with nothing left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Bytes of one request body; 0 for any number. A body of exactly this size is let through.
    pub body: Size,
    /// Bytes of one request target.
    pub uri: Size,
    /// Bytes of one request head.
    pub header_bytes: Size,
    /// Header lines of one request.
    pub headers: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { body: Size::mib(1024), uri: Size::kib(8), header_bytes: Size::kib(64), headers: 100 }
    }
}

impl Limits {
    /// These with their gaps filled from `proxy`. What is judged before the app is known can only
    /// become narrower here.
    pub fn over(&self, proxy: &Bounds) -> Bounds {
        Bounds {
            body: self.body.unwrap_or(proxy.body),
            uri: self.uri.map_or(proxy.uri, |own| own.min(proxy.uri)),
            header_bytes: self
                .header_bytes
                .map_or(proxy.header_bytes, |own| own.min(proxy.header_bytes)),
            headers: self.headers.map_or(proxy.headers, |own| own.min(proxy.headers)),
        }
    }

    /// What is out of range, by key.
    pub fn mistakes(&self) -> impl Iterator<Item = (&'static str, Mistake)> {
        let size = |key, value: Option<Size>, least: Size, most: Size| {
            let wrong = value.filter(|value| !(least..=most).contains(value))?;
            let said = format!("{wrong} is not within {least} to {most}");
            Some((key, Mistake::new(said)))
        };
        let headers = self
            .headers
            .filter(|n| !(1..=MAX_HEADERS).contains(n))
            .map(|n| ("headers", Mistake::new(format!("{n} is not within 1 to {MAX_HEADERS}"))));
        [
            size("uri", self.uri, Size::bytes(1), MAX_URI),
            size("header_bytes", self.header_bytes, MIN_HEADER_BYTES, MAX_HEADER_BYTES),
            headers,
        ]
        .into_iter()
        .flatten()
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        match self.mistakes().next() {
            Some((key, mistake)) => Err(mistake.at(&format!("`limits.{key}`"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_sets_its_body_and_narrows_the_rest() {
        let app: Limits = crate::strict::json(
            r#"{"body":"2GiB","uri":"1KiB","header_bytes":"512KiB","headers":200}"#,
        )
        .unwrap();
        app.validate().unwrap();
        let bounds = app.over(&Bounds::default());
        assert_eq!(bounds.body, Size::mib(2048));
        assert_eq!(bounds.uri, Size::kib(1));
        assert_eq!((bounds.header_bytes, bounds.headers), (Size::kib(64), 100));
        assert_eq!(Limits::default().over(&bounds), bounds);
    }

    #[test]
    fn limits_that_no_proxy_could_keep_are_refused() {
        for (text, word) in [
            (r#"{"uri":0}"#, "`limits.uri`: 0B is not within 1B to"),
            (r#"{"uri":"64KiB"}"#, "65534B"),
            (r#"{"header_bytes":"1KiB"}"#, "8KiB to 1MiB"),
            (r#"{"headers":0}"#, "1 to 1000"),
        ] {
            let said = crate::strict::json::<Limits>(text).unwrap().validate().unwrap_err();
            assert!(said.to_string().contains(word), "{text}: {said}");
        }
    }
}
