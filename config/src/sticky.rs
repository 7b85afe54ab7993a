//! The cookie that keeps a visitor with a target or slot.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::duration;

/// Whether a visitor stays with a target or slot, and by which cookie.
///
/// Written as `"none"`, `"target"`, `"slot"`, or `{"to": "target", "cookie": "web-at", …}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sticky {
    /// No.
    #[default]
    None,
    /// With the target that answered first, for as long as its announcement serves.
    Target(Cookie),
    /// With the slot that answered first, for as long as new requests are split between slots.
    Slot(Cookie),
}

/// How the cookie is set. It is always `HttpOnly` and signed, and `Secure` where TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookie {
    /// Its name; by default `shunt-` and the name of the app.
    pub name: Option<String>,
    /// How long a browser keeps it; by default until it is closed.
    pub max_age: Option<Duration>,
    /// Whether it is sent with requests that another site causes.
    pub same_site: SameSite,
}

/// Whether a cookie is sent with requests that another site causes (RFC 6265bis, 5.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// When the visitor follows a link.
    #[default]
    Lax,
    /// Never.
    Strict,
    /// Always. Browsers take such a cookie over TLS only.
    None,
}

impl SameSite {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}

impl Sticky {
    /// The cookie's settings, if there is one.
    pub fn cookie(&self) -> Option<&Cookie> {
        match self {
            Self::None => None,
            Self::Target(cookie) | Self::Slot(cookie) => Some(cookie),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Target(_) => "target",
            Self::Slot(_) => "slot",
        }
    }
}

/// Whether `name` can name a cookie: a token (RFC 6265 4.1.1, RFC 9110 5.6.2).
pub(crate) fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=128).contains(&name.len()) && name.bytes().all(token)
}

impl Serialize for Sticky {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        let Some(cookie) = self.cookie().filter(|cookie| **cookie != Cookie::default()) else {
            return ser.serialize_str(self.word());
        };
        let mut map = ser.serialize_map(None)?;
        map.serialize_entry("to", self.word())?;
        if let Some(name) = &cookie.name {
            map.serialize_entry("cookie", name)?;
        }
        if let Some(max_age) = cookie.max_age {
            map.serialize_entry("max_age", &duration::show(max_age))?;
        }
        map.serialize_entry("same_site", &cookie.same_site)?;
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    Target,
    Slot,
}

impl To {
    fn with(self, cookie: Cookie) -> Sticky {
        match self {
            Self::Target => Sticky::Target(cookie),
            Self::Slot => Sticky::Slot(cookie),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    to: To,
    cookie: Option<String>,
    #[serde(default, with = "duration::option")]
    max_age: Option<Duration>,
    #[serde(default)]
    same_site: SameSite,
}

impl<'de> Deserialize<'de> for Sticky {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Sticky;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `target`, `slot`, or a table with `to`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Sticky, E> {
                match word {
                    "none" => Ok(Sticky::None),
                    "target" => Ok(To::Target.with(Cookie::default())),
                    "slot" => Ok(To::Slot.with(Cookie::default())),
                    _ => Err(E::unknown_variant(word, &["none", "target", "slot"])),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Sticky, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                if let Some(name) = &full.cookie
                    && !is_name(name)
                {
                    let shown: String = name.chars().take(100).collect();
                    let said = "use letters, digits, `-` and `_`";
                    let said = format!("`{shown}` is no name for a cookie: {said}");
                    return Err(de::Error::custom(said));
                }
                let Full { to, cookie: name, max_age, same_site } = full;
                Ok(to.with(Cookie { name, max_age, same_site }))
            }
        }

        de.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stickiness_reads_back_as_it_was_written() {
        for text in [
            r#""none""#,
            r#""target""#,
            r#""slot""#,
            r#"{"to":"slot","cookie":"web-at","max_age":"1h","same_site":"strict"}"#,
        ] {
            let sticky: Sticky = crate::strict::json(text).unwrap();
            assert_eq!(serde_json::to_string(&sticky).unwrap(), text);
        }
    }

    #[test]
    fn what_makes_nobody_stay_is_refused_with_the_way_out() {
        for (text, word) in [
            (r#""targets""#, "did you mean `target`?"),
            (r#"{"cookie":"a"}"#, "missing key `to`"),
            (r#"{"to":"none"}"#, "unknown variant `none`"),
            (r#"{"to":"slot","cookie":"a;b"}"#, "letters, digits"),
            (r#"{"to":"slot","cookie":""}"#, "no name for a cookie"),
            (r#"{"to":"slot","max_age":60}"#, "has to be a text"),
            (r#"{"to":"slot","same_site":"lacks"}"#, "lax"),
            (r#"{"to":"slot","secure":true}"#, "unknown key `secure`"),
        ] {
            let said = crate::strict::json::<Sticky>(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
