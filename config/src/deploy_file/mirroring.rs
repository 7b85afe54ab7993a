//! `[mirror]`: visitors' requests that a new release gets copies of before it gets a request itself.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;
use crate::guard::Percent;
use crate::strict::Mistake;

/// For how long at most: the deploy holds the lock meanwhile, and may wait for as long again.
const MOST: Duration = Duration::from_hours(8);

/// Visitors' requests that a new release gets copies of before it gets a request itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mirroring {
    /// Percent of GET requests that are copied, 1 to 100.
    pub percent: u8,
    /// For how long at least, from the moment every live proxy copies; at most 8 h.
    #[serde(rename = "for", with = "duration")]
    pub lasts: Duration,
    /// As many copies have to be answered at least; past twice the time the deploy goes on without.
    pub requests: u64,
    /// Whether a release that answers them worse fails the deploy.
    pub judge: bool,
    /// The share of copies answered with another class of status than their originals that is too
    /// much; `None` for any.
    pub max_differ: Option<Percent>,
}

impl Default for Mirroring {
    fn default() -> Self {
        Self {
            percent: 10,
            lasts: Duration::from_mins(2),
            requests: 100,
            judge: true,
            max_differ: None,
        }
    }
}

impl Mirroring {
    /// Checks what the types alone do not.
    pub(super) fn validate(&self) -> Result<(), Mistake> {
        let percent = self.percent;
        if !(1..=100).contains(&percent) {
            return Err(Mistake::new(format!("`percent`: {percent} is not within 1 to 100")));
        }
        if self.lasts > MOST {
            let most = duration::show(MOST);
            return Err(Mistake::new(format!("`for`: requests are copied for {most} at most")));
        }
        if !self.judge && self.max_differ.is_some() {
            return Err(Mistake::new("`max_differ` judges, which `judge = false` forbids"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict;

    fn read(text: &str) -> Result<Mirroring, String> {
        let read: Mirroring = strict::json(text).map_err(|mistake| mistake.to_string())?;
        read.validate().map_err(|mistake| mistake.to_string())?;
        Ok(read)
    }

    #[test]
    fn nothing_has_to_be_said_and_all_of_it_may_be() {
        assert_eq!(read("{}").unwrap(), Mirroring::default());
        let said = r#"{"percent":100,"for":"8h","requests":0,"judge":true,"max_differ":"1%"}"#;
        let read = read(said).unwrap();
        assert_eq!((read.percent, read.lasts, read.requests), (100, MOST, 0));
        assert_eq!(read.max_differ.map(Percent::share), Some(0.01));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, word) in [
            (r#"{"percent":0}"#, "`percent`: 0 is not within 1 to 100"),
            (r#"{"percent":101}"#, "`percent`: 101"),
            (r#"{"for":"9h"}"#, "copied for 8h at most"),
            (r#"{"for":"0s"}"#, "out of range"),
            (r#"{"requests":-1}"#, "requests"),
            (r#"{"judge":false,"max_differ":"1%"}"#, "`judge = false` forbids"),
            (r#"{"max_differ":"1"}"#, "write `0.5%`"),
            (r#"{"percents":5}"#, "did you mean `percent`?"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
