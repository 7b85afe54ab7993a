//! Values that are not to be seen, whoever writes them: an app's log may say its own password.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use shunt_config::secret::Secret;

use super::plain;

/// Shorter values are words like any other: covering them would make nonsense of the output.
const LEAST: usize = 6;

/// What is written in the place of a value.
const COVER: &str = "***";

/// What is said in the place of others' words in which something may have to be covered that is not known.
pub const LACK: &str = "not shown: it may have secrets in it, and they are not known here";

/// Under what our own words stand in JSON: a value that happens to be one of them would make nonsense of it.
const OWN: [&str; 14] = [
    "event",
    "step",
    "state",
    "outcome",
    "severity",
    "stage",
    "verb",
    "app",
    "slot",
    "active",
    "id",
    "began",
    "hook",
    "container",
];

/// The values that are covered; a clone is the same ones.
#[derive(Clone, Default)]
pub struct Hidden {
    values: Arc<Mutex<Vec<String>>>,
    lacks: Arc<AtomicBool>,
}

/// As long as it lives, there are values that are to be covered and are not known.
#[derive(Debug)]
pub struct Lack(Hidden);

impl Drop for Lack {
    fn drop(&mut self) {
        self.0.lacks.store(false, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(COVER)
    }
}

impl Hidden {
    /// From here on `secret` is covered, and so is each of its lines, also where it is part of JSON.
    pub(crate) fn add(&self, secret: &Secret) {
        let text = secret.reveal();
        let whole = std::iter::once(text).chain(text.lines()).map(str::trim);
        let mut hidden = self.all();
        for part in whole.filter(|part| part.len() >= LEAST) {
            let json = Value::from(part).to_string();
            // In the quotes that come with it stands what it is in JSON.
            let json = json.get(1..json.len() - 1).unwrap_or(part);
            for form in [part, json, &plain(part)] {
                if !hidden.iter().any(|known| known == form) {
                    hidden.push(form.to_owned());
                }
            }
        }
        // A value that holds another one is covered as a whole.
        hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
    }

    /// `text` without them.
    pub fn cover<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hidden = self.all();
        hidden.iter().fold(Cow::Borrowed(text), |text, part| match text.contains(part) {
            true => Cow::Owned(text.replace(part, COVER)),
            false => text,
        })
    }

    /// Covers them in all text of `value` that may be others', and leaves it JSON of the same shape.
    pub fn cover_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(covered) = self.cover(text) {
                    *text = covered;
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|one| self.cover_json(one)),
            Value::Object(all) => {
                let others = |key: &str, value: &Value| !(OWN.contains(&key) && value.is_string());
                all.iter_mut()
                    .filter(|(key, value)| others(key, value))
                    .for_each(|(_, value)| self.cover_json(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// From here on there are values that are to be covered and are not known, until what is returned is
    /// dropped.
    #[must_use]
    pub fn lack(&self) -> Lack {
        self.lacks.store(true, Ordering::Relaxed);
        Lack(self.clone())
    }

    /// Whether there are values that are to be covered and are not known: what others wrote is not to be shown.
    pub fn lacks(&self) -> bool {
        self.lacks.load(Ordering::Relaxed)
    }

    /// Bytes of the longest of them; 0 if there are none.
    pub fn longest(&self) -> usize {
        self.all().first().map_or(0, String::len)
    }

    /// The first place from `at` on where `bytes` can be cut so that no value is cut with them: half of
    /// one would not be known for what it is.
    pub fn cut(&self, bytes: &[u8], mut at: usize) -> usize {
        let hidden = self.all();
        let across = |at: usize| {
            hidden.iter().find_map(|part| {
                let from = at.saturating_sub(part.len() - 1);
                let near = bytes.get(from..bytes.len().min(at + part.len() - 1))?;
                let found =
                    near.windows(part.len()).position(|window| window == part.as_bytes())?;
                Some(from + found + part.len())
            })
        };
        while let Some(after) = across(at) {
            at = after;
        }
        at
    }

    fn all(&self) -> MutexGuard<'_, Vec<String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_and_each_of_its_lines_are_covered_in_json_too() {
        let hidden = Hidden::default();
        hidden.add(&Secret::new("correct \"horse\"\nbattery staple\nno\n"));
        hidden.add(&Secret::new("on"));
        for (text, shown) in [
            ("a correct \"horse\" runs on", "a *** runs on"),
            (r#"{"said":"correct \"horse\""}"#, r#"{"said":"***"}"#),
            ("battery staple, battery", "***, battery"),
        ] {
            assert_eq!(hidden.cover(text), shown);
        }
    }

    #[test]
    fn json_stays_what_it_is_and_is_covered_in_what_may_be_others_words_alone() {
        let hidden = Hidden::default();
        for value in ["running", "outcome", "271828182", "a\u{7f}\"b\"c"] {
            hidden.add(&Secret::new(value));
        }
        let mut value = json!({ "event": "step", "state": "running", "outcome": "outcome", "ms": 271_828_182,
            "said": "it is running, a\u{7f}\"b\"c", "details": ["271828182", { "state": ["running"] }] });
        hidden.cover_json(&mut value);
        let covered = json!({ "event": "step", "state": "running", "outcome": "outcome", "ms": 271_828_182,
            "said": "it is ***, ***", "details": ["***", { "state": ["***"] }] });
        assert_eq!(value, covered);
        // Nor is what a terminal would do something at a way out.
        assert_eq!(hidden.cover(&plain("a\u{7f}\"b\"c")), "***");
    }

    #[test]
    fn what_is_lacking_is_so_until_whoever_said_it_is_done() {
        let hidden = Hidden::default();
        let (lack, same) = (hidden.lack(), hidden.clone());
        assert!(same.lacks());
        drop(lack);
        assert!(!same.lacks() && !hidden.lacks());
    }

    #[test]
    fn no_value_is_cut_in_two() {
        let hidden = Hidden::default();
        assert_eq!((hidden.longest(), hidden.cut(b"all of it", 3)), (0, 3));
        hidden.add(&Secret::new("hunter-two"));
        hidden.add(&Secret::new("two-of-them"));
        assert_eq!(hidden.longest(), 11);
        let text = b"a hunter-two of ";
        let cuts = [(1, 1), (2, 2), (3, 12), (11, 12), (12, 12), (13, 13)];
        for (at, cut) in cuts {
            assert_eq!(hidden.cut(text, at), cut, "{at}");
        }
        // Where one reaches into the next, both stay whole.
        assert_eq!(hidden.cut(b"hunter-two-of-them", 4), 18);
        assert_eq!(hidden.cut(b"hunt", 4), 4);
    }
}
