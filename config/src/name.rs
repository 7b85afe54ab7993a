//! Names of apps and proxies: DNS labels, since they become host names, keys, files and labels.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::strict::Mistake;

fn check(kind: &str, text: &str, max: usize, extra: &[u8]) -> Result<Arc<str>, Mistake> {
    let allowed =
        |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || extra.contains(b);
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let sound = bytes.len() <= max
        && bytes.iter().all(allowed)
        && edge(bytes.first())
        && edge(bytes.last());
    if sound {
        return Ok(Arc::from(text));
    }
    let shown: String = text.chars().take(80).collect();
    Err(Mistake::new(format!(
        "`{shown}` is no name for {kind}: use 1 to {max} of a-z, 0-9 and `-`, \
         beginning and ending with a letter or digit"
    )))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Mistake;

            fn from_str(text: &str) -> Result<Self, Mistake> {
                check($kind, text, $max, $extra).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Mistake;

            fn try_from(text: String) -> Result<Self, Mistake> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// An app's name: a DNS label, `web`.
    AppName,
    "an app",
    63,
    &[]
);
name!(
    /// A proxy's name: by default the machine's host name, so dots are allowed.
    ProxyName,
    "a proxy",
    253,
    b"."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_name_an_app() {
        for good in ["web", "a", "web-2", "0x"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", "-web", "web-", "Web", "a.b", "a/b", "..", "w\u{e9}b", &"x".repeat(64)] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
        assert!("lb1.example.com".parse::<ProxyName>().is_ok());
        assert!("../lb1".parse::<ProxyName>().is_err());
    }
}
