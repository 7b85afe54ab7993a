//! Whether visitors stay on a release that new ones no longer go to, and for how long.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::duration;
use crate::strict::Mistake;

/// The longest deadline: a release that nobody may stop for longer is not a deploy any more.
const MAX_DEADLINE: Duration = Duration::from_hours(30 * 24);

/// Whether visitors stay on a release that new ones no longer go to.
///
/// Written as `"none"`, `"drain"`, or `{"mode": "drain", "idle": "30m", …}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// No: a flip takes every visitor along.
    #[default]
    None,
    /// Each visitor stays on its release until its session is over.
    Drain(Stay),
}

/// For how long a visitor stays on a release that new ones no longer go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Until it has asked for nothing for so long, in whole seconds: its session is over then.
    pub idle: Duration,
    /// Until so long after the flip, whatever it does.
    pub deadline: Duration,
    /// Whether a deploy waits until the last of them has left.
    pub wait: bool,
}

impl Default for Stay {
    fn default() -> Self {
        Self { idle: Duration::from_mins(30), deadline: Duration::from_hours(8), wait: false }
    }
}

impl Sessions {
    /// For how long visitors stay, if they do.
    pub fn stay(&self) -> Option<&Stay> {
        match self {
            Self::None => None,
            Self::Drain(stay) => Some(stay),
        }
    }

    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        let Some(stay) = self.stay() else { return Ok(()) };
        let (idle, deadline) = (duration::show(stay.idle), duration::show(stay.deadline));
        if stay.idle < Duration::from_secs(1) {
            return Err(Mistake::new(format!("`idle` is {idle}: give visitors 1s at least")));
        }
        if stay.deadline > MAX_DEADLINE {
            let most = duration::show(MAX_DEADLINE);
            return Err(Mistake::new(format!("`deadline` is {deadline}: {most} at most")));
        }
        if stay.idle > stay.deadline {
            let said = format!("`idle` ({idle}) is longer than `deadline` ({deadline})");
            return Err(Mistake::new(said));
        }
        Ok(())
    }
}

impl Serialize for Sessions {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        let stay = match self {
            Self::None => return ser.serialize_str("none"),
            Self::Drain(stay) if *stay == Stay::default() => return ser.serialize_str("drain"),
            Self::Drain(stay) => stay,
        };
        let mut map = ser.serialize_map(None)?;
        map.serialize_entry("mode", "drain")?;
        map.serialize_entry("idle", &duration::show(stay.idle))?;
        map.serialize_entry("deadline", &duration::show(stay.deadline))?;
        if stay.wait {
            map.serialize_entry("wait", &true)?;
        }
        map.end()
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Drain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    mode: Option<Mode>,
    #[serde(default, with = "duration::option")]
    idle: Option<Duration>,
    #[serde(default, with = "duration::option")]
    deadline: Option<Duration>,
    #[serde(default)]
    wait: bool,
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Sessions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `drain`, or a table such as { idle = \"30m\" }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Sessions, E> {
                match word {
                    "none" => Ok(Sessions::None),
                    "drain" => Ok(Sessions::Drain(Stay::default())),
                    _ => Err(E::unknown_variant(word, &["none", "drain"])),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Sessions, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                // There is but one way to stay, so who sets its times need not name it.
                let Mode::Drain = full.mode.unwrap_or(Mode::Drain);
                let usual = Stay::default();
                let stay = Stay {
                    idle: full.idle.unwrap_or(usual.idle),
                    deadline: full.deadline.unwrap_or(usual.deadline),
                    wait: full.wait,
                };
                Ok(Sessions::Drain(stay))
            }
        }

        de.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_read_back_as_they_were_written() {
        for text in [
            r#""none""#,
            r#""drain""#,
            r#"{"mode":"drain","idle":"5m","deadline":"1h"}"#,
            r#"{"mode":"drain","idle":"30m","deadline":"8h","wait":true}"#,
        ] {
            let sessions: Sessions = crate::strict::json(text).unwrap();
            assert_eq!(serde_json::to_string(&sessions).unwrap(), text);
            assert_eq!(sessions.validate(), Ok(()));
        }
        let short: Sessions = crate::strict::json(r#"{"idle":"5m"}"#).unwrap();
        let idle = Duration::from_mins(5);
        assert_eq!(short, Sessions::Drain(Stay { idle, ..Stay::default() }));
    }

    #[test]
    fn what_is_no_stay_is_refused_with_the_way_out() {
        for (text, word) in [
            (r#""drian""#, "did you mean `drain`?"),
            (r#"{"mode":"keep"}"#, "keep"),
            (r#"{"idel":"5m"}"#, "did you mean `idle`?"),
            (r#"{"idle":30}"#, "has to be a text"),
            (r#"{"idle":"500ms"}"#, "1s at least"),
            (r#"{"idle":"9h"}"#, "longer than `deadline` (8h)"),
            (r#"{"deadline":"60d"}"#, "30days at most"),
        ] {
            let read = crate::strict::json::<Sessions>(text);
            let said = match read {
                Ok(sessions) => sessions.validate().unwrap_err().to_string(),
                Err(mistake) => mistake.to_string(),
            };
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
