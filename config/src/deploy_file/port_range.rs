//! Where published ports are taken from.

use std::fmt;
use std::str::FromStr;

use crate::strict::Mistake;

/// Ports from the first to the last, both included: `20000-29999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest, at least 1.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Default for PortRange {
    /// Below 32768, where Linux begins to hand out ports to outgoing connections.
    fn default() -> Self {
        Self { first: 20_000, last: 29_999 }
    }
}

impl FromStr for PortRange {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let range = text.split_once('-').and_then(|(first, last)| {
            Some(Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? })
        });
        match range {
            Some(range) if range.first > 0 && range.first <= range.last => Ok(range),
            _ => Err(Mistake::new(format!("`{text}` is no range of ports: write `20000-29999`"))),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

read_by_text!(PortRange);
