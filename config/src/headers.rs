//! Which header fields are changed on their way through.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::strict::Mistake;

/// Changes to the headers of an app's requests and responses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Headers {
    /// Of requests, before they are sent to a target.
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub request: Changes,
    /// Of responses, before they are sent to the client; those of the proxy itself too.
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub response: Changes,
}

/// Changes to one head: what is removed goes first, then what is set, then what is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Put in the place of all lines of that name.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub set: Fields,
    /// Put after the lines of that name.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub add: Fields,
    /// Taken out, all lines of that name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Name>,
}

/// A field's name, of those that may be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(pub HeaderName);

/// Names with a value each; no name twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Name, HeaderValue)>);

/// Fields that say where a message ends or belong to one connection (RFC 9110 7.6.1, RFC 9112 6):
/// changed by hand they would let one message be read as two.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Fields {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values as they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (&name.0, value))
    }
}

impl Changes {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    fn validate(&self) -> Result<(), Mistake> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let set = self.set.iter().map(|(name, _)| (name, "set"));
        let add = self.add.iter().map(|(name, _)| (name, "add"));
        let remove = self.remove.iter().map(|name| (&name.0, "remove"));
        for (name, key) in set.chain(add).chain(remove) {
            if let Some(other) = seen.insert(name.as_str(), key) {
                let said = format!("`{name}` stands under `{other}` and `{key}`: leave one away");
                return Err(Mistake::new(said));
            }
        }
        Ok(())
    }
}

impl Headers {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        self.request.validate().map_err(|said| said.at("`headers.request`"))?;
        self.response.validate().map_err(|said| said.at("`headers.response`"))
    }
}

fn name(text: &str) -> Result<Name, Mistake> {
    let shown: String = text.chars().take(100).collect();
    let name = HeaderName::try_from(text)
        .map_err(|_| Mistake::new(format!("`{shown}` is no name of a header field")))?;
    if name == http::header::HOST {
        let said = "`host` is routed by and cannot be changed: see `canonical_host`";
        return Err(Mistake::new(said));
    }
    if FRAMING.contains(&name.as_str()) {
        let said = format!("`{name}` belongs to the connection and is the proxy's own affair");
        return Err(Mistake::new(said));
    }
    Ok(Name(name))
}

fn value(name: &Name, text: &str) -> Result<HeaderValue, Mistake> {
    let trimmed = text.trim_matches([' ', '\t']);
    match HeaderValue::from_str(text) {
        Ok(value) if trimmed.len() == text.len() && text.is_ascii() => Ok(value),
        _ => Err(Mistake::new(format!(
            "value of `{}`: use printable ASCII in one line, without spaces around it",
            name.0
        ))),
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        name(&String::deserialize(de)?).map_err(de::Error::custom)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        let mut map = ser.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            let value = value.to_str().map_err(serde::ser::Error::custom)?;
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of header fields with a value each")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(Name, HeaderValue)> = Vec::new();
                while let Some(text) = map.next_key::<String>()? {
                    let name = name(&text).map_err(de::Error::custom)?;
                    // JSON tells `X-A` from `x-a`, HTTP does not.
                    if fields.iter().any(|(other, _)| *other == name) {
                        let said = format!("`{}` is named twice", name.0);
                        return Err(de::Error::custom(said));
                    }
                    let text = map.next_value::<String>()?;
                    let value = value(&name, &text).map_err(de::Error::custom)?;
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        de.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Headers, Mistake> {
        let headers: Headers = crate::strict::json(text)?;
        headers.validate()?;
        Ok(headers)
    }

    #[test]
    fn changes_read_back_as_they_were_written() {
        let text = r#"{"request":{"set":{"x-tenant":"a b"},"remove":["cookie"]},"response":{"add":{"vary":"x"}}}"#;
        let headers = read(text).unwrap();
        assert_eq!(serde_json::to_string(&headers).unwrap(), text);
        assert!(!headers.is_empty() && read("{}").unwrap().is_empty());
    }

    #[test]
    fn what_would_break_a_message_is_refused_by_name() {
        for (text, word) in [
            (r#"{"request":{"set":{"Host":"a"}}}"#, "see `canonical_host`"),
            (r#"{"request":{"remove":["Transfer-Encoding"]}}"#, "`transfer-encoding` belongs to"),
            (r#"{"response":{"add":{"Content-Length":"1"}}}"#, "`content-length` belongs to"),
            (r#"{"response":{"set":{"Connection":"close"}}}"#, "`connection` belongs to"),
            (r#"{"response":{"set":{"X A":"1"}}}"#, "`X A` is no name"),
            (r#"{"response":{"set":{"":"1"}}}"#, "is no name"),
            (r#"{"response":{"set":{"X-A":"1\r\nX-B: 2"}}}"#, "value of `x-a`"),
            (r#"{"response":{"set":{"X-A":" 1"}}}"#, "without spaces around it"),
            (r#"{"response":{"set":{"X-A":"é"}}}"#, "printable ASCII"),
            (r#"{"response":{"set":{"X-A":"1","x-a":"2"}}}"#, "named twice"),
            (r#"{"response":{"set":{"X-A":"1"},"remove":["x-a"]}}"#, "`set` and `remove`"),
            (r#"{"request":{"add":{"X-A":"1"},"set":{"X-A":"1"}}}"#, "`headers.request`"),
            (r#"{"response":{"sett":{}}}"#, "did you mean `set`?"),
            (r#"{"response":{"set":["a"]}}"#, "names of header fields"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
