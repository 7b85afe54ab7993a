//! What became of a release that was to be stopped.

use std::collections::BTreeMap;

use shunt_config::ProxyName;

use crate::drained::leases;

/// What became of a release that was to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retired {
    /// It is gone.
    Gone {
        /// How many containers or units were stopped, in words.
        stopped: String,
        /// Requests that were cut off, per proxy, because their time was over.
        cut: BTreeMap<ProxyName, Option<u64>>,
    },
    /// It still runs, and why.
    Kept(String),
}

impl Retired {
    /// There was nothing to stop.
    pub fn nothing() -> Self {
        Self::Gone { stopped: "0 container(s)".to_owned(), cut: BTreeMap::new() }
    }

    /// The same after requests were left that nobody waited for any longer: if it is gone, these were
    /// cut off.
    pub(super) fn after(self, left: BTreeMap<ProxyName, Option<u64>>) -> Self {
        match self {
            Self::Gone { stopped, .. } => Self::Gone { stopped, cut: left },
            kept @ Self::Kept(_) => kept,
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Gone { stopped, cut } if cut.is_empty() => {
                format!("{stopped} stopped, no request cut")
            }
            Self::Gone { stopped, cut } => format!("{stopped} stopped, cut off: {}", leases(cut)),
            Self::Kept(why) => format!("kept: {why}"),
        }
    }
}
