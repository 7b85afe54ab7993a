//! How text becomes a value, and how a mistake in it is named.
//!
//! Every value an operator can write goes through [`json`] or a `FromStr` of its own, and every
//! failure is a [`Mistake`]: one sentence that names the place, the value and, where there is one,
//! the way out.

use serde::de::DeserializeOwned;

use crate::by_name::ByName;

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

/// Parses a JSON object into `T`.
pub fn object<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    if !text.starts_with('{') {
        return Err(Mistake::new(format!("`{}` is no JSON object `{{…}}`", short(text))));
    }
    json(text)
}

/// Parses JSON into `T`; an unknown key is refused by name with the nearest known one, and so is a
/// list in the place of an object.
pub fn json<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    let no_json = |e: &serde_json::Error| Mistake::new(format!("not JSON: {e}"));
    let mut de = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(ByName(&mut de)).map_err(|e| {
        let path = e.path().to_string();
        let inner = e.into_inner();
        if !inner.is_data() {
            return no_json(&inner);
        }
        // The path tells the place better than line and column of a value that is mostly one line.
        let said = inner.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        let mistake = Mistake::new(in_words(said));
        if matches!(path.as_str(), "." | "?") { mistake } else { mistake.at(&format!("`{path}`")) }
    })?;
    de.end().map_err(|e| no_json(&e))?;
    Ok(value)
}

/// The beginning of a value that somebody wrote, to be shown.
pub fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// serde's message in our words: `invalid type: sequence, expected struct Health with 10 elements`
/// speaks of this program, not of the value.
pub fn in_words(message: &str) -> String {
    let wrong = ["invalid type: ", "invalid value: "].iter().find_map(|p| message.strip_prefix(p));
    if let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        return format!("is {}, and has to be {}", found_in_words(found), type_in_words(expected));
    }
    if message.starts_with("invalid length") && message.contains("expected struct") {
        return format!("is a list, and has to be {OBJECT}");
    }
    let key = |rest: &str| rest.trim_matches('`').to_owned();
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("missing key `{}`", key(rest));
    }
    if let Some(rest) = message.strip_prefix("duplicate field ") {
        return format!("key `{}` is named twice", key(rest));
    }
    with_hint(message)
}

/// What JSON calls an object, and TOML a table.
pub const OBJECT: &str = "an object `{…}`";

fn found_in_words(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit value" => "`null`".to_owned(),
        _ => match found.split_once(['`', '"']) {
            Some(("string ", text)) => format!("the text `{}`", short(text.trim_end_matches('"'))),
            Some((_, value)) => format!("`{}`", short(value.trim_end_matches('`'))),
            None => found.to_owned(),
        },
    }
}

fn type_in_words(expected: &str) -> &str {
    match expected.trim_start_matches("a nonzero ") {
        "a string" | "a borrowed string" | "str" => "a text in quotes",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => OBJECT,
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, not below 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") || other.contains("enum ") => OBJECT,
        _ => expected,
    }
}

/// Adds "did you mean" to serde's two lists of what would have been right.
///
/// serde says ``unknown field `helth`, expected one of `hosts`, `health` at line 1``; the nearest of
/// the expected names is what the operator meant more often than not.
fn with_hint(message: &str) -> String {
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
    #[expect(dead_code, reason = "only how it is refused matters")]
    struct Outer {
        health: Option<Inner>,
        hosts: Option<Vec<String>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how it is refused matters")]
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
    fn a_value_of_the_wrong_type_is_named_without_this_programs_own_words() {
        for (text, said) in [
            (r#"{"hosts":"a"}"#, "`hosts`: is the text `a`, and has to be a list"),
            (r#"{"hosts":{}}"#, "`hosts`: is an object, and has to be a list"),
            (r#"{"hosts":[7]}"#, "`hosts[0]`: is `7`, and has to be a text in quotes"),
            (r#"{"hosts":[null]}"#, "`hosts[0]`: is `null`, and has to be a text in quotes"),
            (r#"{"health":true}"#, "`health`: is `true`, and has to be an object `{…}`"),
            (r#"{"health":{},"health":{}}"#, "key `health` is named twice"),
        ] {
            assert_eq!(mistake(text), said, "{text}");
        }
        for text in ["[]", r#"["a"]"#, "null", "7", "\"{\""] {
            let said = object::<Outer>(text).unwrap_err().to_string();
            assert_eq!(said, format!("`{text}` is no JSON object `{{…}}`"));
        }
        let said = object::<Outer>(r#"{"health":["1s"]}"#).unwrap_err().to_string();
        assert_eq!(said, "`health`: is a list, and has to be an object `{…}`");
        assert!(object::<Outer>(r#"{"health":{"interval":"1s"},"hosts":["a"]}"#).is_ok());
        assert!(mistake(r#"{"hosts":["#).starts_with("not JSON: "));
        let long = format!(r#"{{"hosts":"{}"}}"#, "x".repeat(10_000));
        assert!(mistake(&long).len() < 200);
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
