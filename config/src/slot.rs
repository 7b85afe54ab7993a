//! The two places an app's release can run in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::strict::{Mistake, nearest};

/// One of the two places an app's release can run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The first place.
    Blue,
    /// The second place.
    Green,
}

impl Slot {
    /// Both, in a fixed order.
    pub const BOTH: [Self; 2] = [Self::Blue, Self::Green];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The word used in keys, values and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Slot {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let words = Self::BOTH.map(Self::as_str);
        Self::BOTH.into_iter().find(|slot| slot.as_str() == text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let hint = nearest(&text.to_ascii_lowercase(), words)
                .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            Mistake::new(format!("`{shown}` is no slot (`blue` or `green`){hint}"))
        })
    }
}
