//! What is wrong with a release, in words.

use std::fmt;
use std::time::Duration;

use crate::checks::Broken;

/// What is wrong with a new release.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A figure is worse than is allowed.
    Worse(Worse),
    /// No proxy finds a healthy target of it; what one of them says.
    Down(String),
    /// A container of it has ended: which one and how, and its last lines.
    Ended(String, Vec<String>),
    /// A check of the operator's own is bad.
    Check(Broken),
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Requests answered with 5xx.
    Errors,
    /// Copies of requests answered with another class of status than their originals.
    Differ,
    /// Connections that could not be made.
    Connects,
    /// Requests that took so long.
    Slow(Duration),
}

/// A figure of the new release that is worse than is allowed, beyond doubt.
#[derive(Clone, Debug, PartialEq)]
pub struct Worse {
    /// Which one.
    pub figure: Figure,
    /// Hits and requests of the new release.
    pub new: (u64, u64),
    /// Those of the old one; `None` where the bound does not depend on it.
    pub old: Option<(u64, u64)>,
    /// The highest share that is allowed, of 1.
    pub allowed: f64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worse(worse) => worse.fmt(f),
            Self::Check(broken) => broken.fmt(f),
            Self::Ended(how, _) => write!(f, "a container has not gone on running: {how}"),
            Self::Down(why) => write!(f, "no target is healthy: {why}"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("errors (5xx)"),
            Self::Differ => f.write_str("answers of another class"),
            Self::Connects => f.write_str("failed connections"),
            Self::Slow(from) => write!(f, "requests over {} ms", millis(*from)),
        }
    }
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {} requests", self.figure, percent(self.new), self.new.1)?;
        if let Some(old) = self.old {
            write!(f, ", against {} of {} of the old release", percent(old), old.1)?;
        }
        write!(f, " ({:.1} % are allowed)", self.allowed * 100.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(super) fn percent((hits, all): (u64, u64)) -> String {
    format!("{:.1} %", hits as f64 * 100.0 / all.max(1) as f64)
}

/// `1.5`, `12`.
pub(crate) fn millis(from: Duration) -> String {
    let text = format!("{:.1}", from.as_secs_f64() * 1000.0);
    text.trim_end_matches(".0").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_was_seen_and_what_is_allowed() {
        let figure = Figure::Slow(Duration::from_micros(1536));
        let worse = Worse { figure, new: (30, 60), old: Some((5, 1000)), allowed: 0.112 };
        let said = "requests over 1.5 ms: 50.0 % of 60 requests, against 0.5 % of 1000 of the old \
                    release (11.2 % are allowed)";
        assert_eq!(Finding::Worse(worse.clone()).to_string(), said);
        let worse = Worse { figure: Figure::Errors, old: None, ..worse };
        assert!(worse.to_string().starts_with("errors (5xx): 50.0 % of 60 requests (11.2 %"));
    }
}
