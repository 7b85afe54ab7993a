//! How new requests are divided while `active` names both slots, and who tries the new release.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::slot::Slot;
use crate::sticky;
use crate::strict::Mistake;

/// What decides, while `active` names both slots, which of them a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Each request by itself, in turn.
    #[default]
    Request,
    /// The visitor, who is known again by a cookie.
    Cookie,
    /// The client's address, for clients that keep no cookies.
    Address,
}

impl Split {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Cookie => "cookie",
            Self::Address => "address",
        }
    }
}

/// Requests that go to the new release whatever its share is, while `active` names both slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Testers {
    /// Those with this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Field>,
    /// Those with this cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Pair>,
    /// The slot they go to; by default the one that gets less. A deploy writes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

impl Testers {
    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        match (&self.header, &self.cookie) {
            (None, None) => Err(Mistake::new("`testers` names neither `header` nor `cookie`")),
            _ => Ok(()),
        }
    }
}

/// A header field: `X-Canary: yes`, or `X-Canary` with any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: HeaderName,
    /// Its value; `None` for any.
    pub value: Option<String>,
}

/// A cookie: `canary=1`, or `canary` with any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Its value; `None` for any.
    pub value: Option<String>,
}

/// The two sides of `text` around `mark`, if a request can hold them.
fn sides(text: &str, mark: char) -> Option<(&str, Option<String>)> {
    let sound = |b: u8| (b == b' ' || b.is_ascii_graphic()) && b != b';';
    let (name, value) = match text.split_once(mark) {
        Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
        None => (text.trim(), None),
    };
    text.bytes().all(sound).then_some((name, value))
}

fn wrong(text: &str, ways: &str) -> Mistake {
    let shown: String = text.chars().take(100).collect();
    Mistake::new(format!("`{shown}` is nothing to know a tester by: write {ways}"))
}

impl FromStr for Field {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let read = sides(text, ':')
            .and_then(|(name, value)| Some(Self { name: HeaderName::try_from(name).ok()?, value }));
        read.ok_or_else(|| wrong(text, "`X-Canary: yes`, or `X-Canary` for any value"))
    }
}

impl FromStr for Pair {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let read = sides(text, '=').filter(|(name, _)| sticky::is_name(name));
        read.map(|(name, value)| Self { name: name.to_owned(), value })
            .ok_or_else(|| wrong(text, "`canary=1`, or `canary` for any value"))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: {value}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

by_text!(Field, Pair);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn testers_read_back_as_they_were_written() {
        for text in [
            r#"{"header":"x-canary: yes"}"#,
            r#"{"header":"x-canary","cookie":"canary"}"#,
            r#"{"cookie":"canary=1","slot":"green"}"#,
        ] {
            let testers: Testers = crate::strict::json(text).unwrap();
            assert_eq!(serde_json::to_string(&testers).unwrap(), text);
            testers.validate().unwrap();
        }
        assert!(Testers::default().validate().is_err());
    }

    #[test]
    fn what_no_tester_could_bring_is_refused_with_the_way_out() {
        for (text, word) in [
            (r#"{"header":"X Canary: yes"}"#, "`X-Canary: yes`"),
            (r#"{"header":"X-Canary: a\nb"}"#, "`X-Canary: yes`"),
            (r#"{"cookie":"a b=1"}"#, "`canary=1`"),
            (r#"{"cookie":"a=1; b=2"}"#, "`canary=1`"),
            (r#"{"cookie":""}"#, "`canary=1`"),
            (r#"{"headers":"a"}"#, "did you mean `header`?"),
            (r#"{"header":"a","slot":"gren"}"#, "did you mean `green`?"),
        ] {
            let said = crate::strict::json::<Testers>(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
