//! Durations as people write them: `500ms`, `1s`, `2m`. For `#[serde(with = "crate::duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The longest duration that any setting takes: ten years. Larger ones overflow clocks.
const MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Parses `500ms`, `1s`, `2m`, `1h 30m`; zero is refused, so that no setting means "at once" by slip.
pub fn parse(text: &str) -> Result<Duration, String> {
    let hint = "write a number with a unit, such as `500ms`, `30s` or `2m`";
    let parsed = humantime::parse_duration(text.trim())
        .map_err(|_| format!("`{text}` is not a duration: {hint}"))?;
    if parsed.is_zero() || parsed > MAX {
        return Err(format!("duration `{text}` is out of range: above 0 and at most ten years"));
    }
    Ok(parsed)
}

/// The duration as [`parse`] reads it.
pub fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Serialises as text.
pub fn serialize<S: Serializer>(duration: &Duration, ser: S) -> Result<S::Ok, S::Error> {
    ser.serialize_str(&show(*duration))
}

/// Deserialises from text.
pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(de)?;
    parse(&text).map_err(de::Error::custom)
}

/// The same for `Option<Duration>`.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serializer, de, parse, show};

    /// Serialises as text or null.
    pub fn serialize<S: Serializer>(d: &Option<Duration>, ser: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => ser.serialize_some(&show(*d)),
            None => ser.serialize_none(),
        }
    }

    /// Deserialises from text or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(de)?.map(|t| parse(&t).map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_refused_with_the_way_out() {
        let said = parse("30").unwrap_err();
        assert!(said.contains("`30s`"), "{said}");
    }

    #[test]
    fn zero_and_absurd_durations_are_refused() {
        assert!(parse("0s").is_err());
        assert!(parse("99999 years").is_err());
        assert_eq!(parse("1500ms").unwrap(), Duration::from_millis(1500));
    }
}
