//! Values that are not to be seen, whoever writes them: an app's log may say its own password.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use shunt_config::secret::Secret;

/// Shorter values are words like any other: covering them would make nonsense of the output.
const LEAST: usize = 6;

/// What is written in the place of a value.
const COVER: &str = "***";

/// The values that are covered.
#[derive(Default)]
pub(super) struct Hidden(Mutex<Vec<String>>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(COVER)
    }
}

impl Hidden {
    /// From here on `secret` is covered, and so is each of its lines, also where it is part of JSON.
    pub(super) fn add(&self, secret: &Secret) {
        let text = secret.reveal();
        let whole = std::iter::once(text).chain(text.lines()).map(str::trim);
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    pub(super) fn cover<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().fold(Cow::Borrowed(text), |text, part| match text.contains(part) {
            true => Cow::Owned(text.replace(part, COVER)),
            false => text,
        })
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
}
