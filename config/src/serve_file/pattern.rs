//! Which tags and branches are meant: `v*`.

use std::fmt;

use serde::Deserialize;

/// A name in which `*` stands for any number of any characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it means `name`, all of it.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The first place is as good as any other for what is between two stars.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_everything_else_for_itself() {
        for (pattern, name, meant) in [
            ("v*", "v1.2", true),
            ("v*", "1.2", false),
            ("main", "main", true),
            ("main", "maint", false),
            ("*", "", true),
            ("v*.*-rc*", "v1.2-rc3", true),
            ("v*.*-rc*", "v1.2", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*b", "ab", false),
            ("release/*", "release/é", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), meant, "{pattern} {name}");
        }
    }
}
