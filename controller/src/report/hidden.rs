//! Values that are not to be seen, whoever writes them: an app's log may say its own password.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use shunt_config::secret::Secret;

/// Shorter values are words like any other: covering them would make nonsense of the output.
const LEAST: usize = 6;

/// What is written in the place of a value.
const COVER: &str = "***";

/// The values that are covered; a clone is the same ones.
#[derive(Clone, Default)]
pub struct Hidden(Arc<Mutex<Vec<String>>>);

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
            for form in [part, json] {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
