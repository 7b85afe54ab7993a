//! The shares that a release gets one after the other before it gets all requests.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Who;
use crate::strict::Mistake;
use crate::{Active, Slot, duration};

/// Shares of one canary at most.
const MAX_SHARES: usize = 50;

/// A part of the requests, and what has to come until there are more of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Percent of new requests that go to the new release, 1 to 99.
    pub percent: u8,
    /// For how long at least, from the moment every live proxy has applied it.
    #[serde(
        default,
        rename = "for",
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// As many answers the new release has to give at least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Whether someone has to say that it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The parts of a canary, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The parts, each larger than the one before.
    pub steps: Vec<Part>,
    /// How many of them `active` was put for; the last of these is the present one.
    #[serde(default)]
    pub begun: usize,
    /// Since when every live proxy has the present one; `None` until it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What the new release had answered then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub answered: u64,
    /// Someone wants it to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<Promote>,
}

/// Someone's word that a canary is to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// Whose.
    pub who: Who,
    /// What [`Canary::begun`] was: said once, it ends one part.
    pub begun: usize,
    /// Whether all parts that are left are passed over.
    #[serde(default)]
    pub full: bool,
}

impl Canary {
    /// The canary of `steps`, before its first.
    pub fn new(steps: Vec<Part>) -> Self {
        Self { steps, begun: 0, since: None, answered: 0, promote: None }
    }

    /// The present part; `None` before the first.
    pub fn part(&self) -> Option<&Part> {
        self.begun.checked_sub(1).and_then(|index| self.steps.get(index))
    }

    /// The word that the present part is over, if someone has given it.
    pub fn promoted(&self) -> Option<&Promote> {
        self.promote.as_ref().filter(|promote| promote.full || promote.begun == self.begun)
    }

    /// Whether `active` is one of the parts, with the new release in `slot`.
    pub fn has_put(&self, slot: Slot, active: Active) -> bool {
        self.steps.iter().any(|part| Active::split(slot, part.percent) == active)
    }

    /// What is wrong with `steps`, by their numbers from 1.
    pub fn mistakes(steps: &[Part]) -> Vec<Mistake> {
        let mut found = Vec::new();
        if steps.is_empty() || steps.len() > MAX_SHARES {
            found.push(Mistake::new(format!("1 to {MAX_SHARES} steps, not {}", steps.len())));
        }
        let mut before = 0;
        for (index, part) in steps.iter().enumerate() {
            let percent = part.percent;
            let mut wrong = |said: String| {
                found.push(Mistake::new(format!("step {}: {said}", index + 1)));
            };
            if !(1..=99).contains(&percent) {
                wrong(format!("`percent` is {percent}: 1 to 99, the flip to 100 comes by itself"));
            } else if percent <= before {
                wrong(format!("{percent} percent is not more than the {before} before it"));
            }
            before = percent;
            if part.lasts.is_none_or(|lasts| lasts.is_zero()) && part.requests == 0 && !part.pause {
                wrong("it waits for nothing: give it `for`, `requests` or `pause`".to_owned());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Part> {
        crate::strict::json(text).unwrap()
    }

    #[test]
    fn steps_read_back_as_they_were_written() {
        let text = r#"[{"percent":1,"for":"2m","requests":100},{"percent":50,"pause":true}]"#;
        let read = steps(text);
        assert_eq!(Canary::mistakes(&read), []);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn steps_that_lead_nowhere_are_refused_with_a_reason() {
        for (text, word) in [
            ("[]", "1 to 50 steps"),
            (r#"[{"percent":0,"for":"1m"}]"#, "1 to 99"),
            (r#"[{"percent":100,"for":"1m"}]"#, "comes by itself"),
            (r#"[{"percent":9,"pause":true},{"percent":9,"pause":true}]"#, "step 2: 9 percent"),
            (r#"[{"percent":9}]"#, "waits for nothing"),
        ] {
            let said = format!("{:?}", Canary::mistakes(&steps(text)));
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn a_word_ends_the_part_it_was_said_of_and_no_other() {
        let who = Who { user: "ann".into(), host: "ci".into(), pid: 1 };
        let text = r#"[{"percent":1,"pause":true},{"percent":50,"pause":true}]"#;
        let mut canary = Canary { begun: 1, ..Canary::new(steps(text)) };
        assert_eq!((canary.part().unwrap().percent, canary.promoted()), (1, None));
        canary.promote = Some(Promote { who, begun: 1, full: false });
        assert!(canary.promoted().is_some());
        canary.begun = 2;
        assert!(canary.promoted().is_none());
        canary.promote.as_mut().unwrap().full = true;
        assert!(canary.promoted().is_some());
    }
}
