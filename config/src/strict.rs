//! How text becomes a value, and how a mistake in it is named.
//!
//! Every value an operator can write goes through [`json`] or a `FromStr` of its own, and every
//! failure is a [`Mistake`]: one sentence that names the place, the value and, where there is one,
//! the way out.

use serde::de::DeserializeOwned;

/// The longest value read from a store, in bytes. etcd's own limit is 1.5 MiB; no value of ours
/// comes near this, so a larger one is a mistake and is not even parsed.
pub const MAX_VALUE: usize = 256 * 1024;

/// One mistake in a value or a file, as one sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(String);

impl Mistake {
    /// A mistake described by `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same mistake, with the place it was found in put before it.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

/// The text of a stored value: UTF-8, of a sane size, without the line end that `echo` adds.
pub fn text(value: &[u8]) -> Result<&str, Mistake> {
    if value.len() > MAX_VALUE {
        return Err(Mistake::new(format!(
            "value of {} bytes is larger than the {MAX_VALUE} allowed",
            value.len()
        )));
    }
    let text = std::str::from_utf8(value)
        .map_err(|e| Mistake::new(format!("not UTF-8 text (byte {})", e.valid_up_to())))?
        .trim();
    if text.is_empty() {
        return Err(Mistake::new("empty value"));
    }
    Ok(text)
}

/// Parses JSON into `T`; an unknown key is refused by name with the nearest known one.
pub fn json<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    let mut de = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut de).map_err(|e| {
        let path = e.path().to_string();
        let mistake = Mistake::new(with_hint(&e.into_inner().to_string()));
        if matches!(path.as_str(), "." | "?") { mistake } else { mistake.at(&format!("`{path}`")) }
    })?;
    de.end().map_err(|e| Mistake::new(e.to_string()))?;
    Ok(value)
}

/// Adds "did you mean" to serde's two lists of what would have been right.
///
/// serde says ``unknown field `helth`, expected one of `hosts`, `health` at line 1``; the nearest of
/// the expected names is what the operator meant more often than not.
pub fn with_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let (true, Some(wrong)) = (unknown, quoted.next()) else {
        return message.to_owned();
    };
    match nearest(wrong, quoted) {
        Some(right) => {
            let kind = if message.starts_with("unknown field") { "key" } else { "value" };
            format!("unknown {kind} `{wrong}`, did you mean `{right}`?")
        }
        None => message.replacen("unknown field", "unknown key", 1),
    }
}

/// The known word nearest to `wrong`, if one is near enough to be a likely slip.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|right| (strsim::jaro_winkler(wrong, right), right))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, right)| right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters here")]
    struct Outer {
        health: Option<Inner>,
        hosts: Option<Vec<String>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters here")]
    struct Inner {
        interval: Option<String>,
    }

    fn mistake(text: &str) -> String {
        json::<Outer>(text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let said = mistake(r#"{"helth":{}}"#);
        assert!(said.contains("unknown key `helth`, did you mean `health`?"), "{said}");
    }

    #[test]
    fn the_path_to_a_nested_mistake_is_part_of_it() {
        let said = mistake(r#"{"health":{"intervall":"1s"}}"#);
        assert!(said.starts_with("`health") && said.contains("did you mean `interval`?"), "{said}");
    }

    #[test]
    fn text_after_the_value_is_a_mistake() {
        assert!(mistake("{} {}").contains("trailing"));
    }

    #[test]
    fn empty_binary_and_huge_values_are_mistakes() {
        assert!(text(b" \n").is_err());
        assert!(text(&[0xff, 0xfe]).is_err());
        assert!(text(&vec![b'x'; MAX_VALUE + 1]).is_err());
        assert_eq!(text(b"green\n").unwrap(), "green");
    }
}
