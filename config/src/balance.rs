//! How requests are spread over a release's targets.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::sticky;
use crate::strict::Mistake;

/// How requests are spread over a release's targets, always by weight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// To the target with the fewest requests of this proxy.
    LeastRequests,
    /// To the one with fewer requests of two drawn by chance: nearly as even, and proxies that do
    /// not know of each other do not all turn to the same target.
    TwoChoices,
    /// By a hash, so that the same key goes to the same target, and a target that comes or goes
    /// moves no more than its own share.
    ConsistentHash(HashKey),
}

/// What a consistent hash is taken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address, as far as trusted proxies in front tell it.
    ClientAddress,
    /// A request header; a request without it goes in turn.
    Header(HeaderName),
    /// A cookie; a request without it goes in turn.
    Cookie(String),
}

const NAMES: &[&str] = &["round_robin", "least_requests", "two_choices", "consistent_hash"];

impl<'de> Deserialize<'de> for Balance {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Balance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word such as `round_robin`, or `{\"consistent_hash\": KEY}`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Balance, E> {
                match word {
                    "round_robin" => Ok(Balance::RoundRobin),
                    "least_requests" => Ok(Balance::LeastRequests),
                    "two_choices" => Ok(Balance::TwoChoices),
                    "consistent_hash" => Err(E::custom(
                        "say what is hashed: `{\"consistent_hash\": \"client_address\"}`",
                    )),
                    _ => Err(E::unknown_variant(word, NAMES)),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Balance, A::Error> {
                #[derive(Deserialize)]
                #[serde(rename_all = "snake_case")]
                enum Word {
                    ConsistentHash,
                }
                let Some(Word::ConsistentHash) = map.next_key()? else {
                    return Err(de::Error::missing_field("consistent_hash"));
                };
                let key = map.next_value()?;
                match map.next_key::<String>()? {
                    None => Ok(Balance::ConsistentHash(key)),
                    Some(more) => {
                        Err(de::Error::custom(format!("one way of balancing, not `{more}` too")))
                    }
                }
            }
        }

        de.deserialize_any(Reader)
    }
}

impl FromStr for HashKey {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let shown: String = text.chars().take(100).collect();
        let wrong = || {
            let ways = "write `client_address`, `header:NAME` or `cookie:NAME`";
            Mistake::new(format!("`{shown}` is nothing to hash by: {ways}"))
        };
        match text.split_once(':') {
            None if text == "client_address" => Ok(Self::ClientAddress),
            Some(("header", name)) => name.parse().map(Self::Header).map_err(|_| wrong()),
            Some(("cookie", name)) if sticky::is_name(name) => Ok(Self::Cookie(name.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientAddress => f.write_str("client_address"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

by_text!(HashKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_reads_back_as_it_was_written() {
        for text in [
            r#""round_robin""#,
            r#""least_requests""#,
            r#""two_choices""#,
            r#"{"consistent_hash":"client_address"}"#,
            r#"{"consistent_hash":"header:x-tenant"}"#,
            r#"{"consistent_hash":"cookie:session"}"#,
        ] {
            let balance: Balance = crate::strict::json(text).unwrap();
            assert_eq!(serde_json::to_string(&balance).unwrap(), text);
        }
    }

    #[test]
    fn no_way_of_balancing_is_refused_with_the_way_out() {
        for (text, word) in [
            (r#""round-robin""#, "did you mean `round_robin`?"),
            (r#""consistent_hash""#, "\"consistent_hash\": \"client_address\""),
            (r#"{"consistent_hash":"ip"}"#, "`header:NAME`"),
            (r#"{"consistent_hash":"header:a b"}"#, "`header:NAME`"),
            (r#"{"consistent_hash":"cookie:"}"#, "`cookie:NAME`"),
            (r#"{"consistent":"ip"}"#, "did you mean `consistent_hash`?"),
            (r#"{"consistent_hash":"client_address","seed":1}"#, "not `seed` too"),
            ("{}", "consistent_hash"),
            ("3", "a word such as `round_robin`"),
        ] {
            let said = crate::strict::json::<Balance>(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
