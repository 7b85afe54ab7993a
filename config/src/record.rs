//! What `shuntctl` writes down: who deploys, how far a deploy has come, which replaced release is
//! not gone yet, and what became of finished deploys.
//!
//! Every value carries all that another `shuntctl`, on another machine and without the deploy file,
//! needs to finish or undo what this one began.
//!
//! - [`Deploy`]: a deploy that runs, or the last one; [`Step`]: what it consists of
//! - [`Hooks`]: what of the operator's own it runs
//! - [`Check`]: what else is asked while its release is watched
//! - [`Compared`]: what copies of requests came to before it gets any itself
//! - [`Canary`]: the shares that its release gets before it gets all
//! - [`Draining`]: a release that was replaced
//! - [`History`]: what became of deploys, flips and undos

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Target;
use crate::slot::Slot;
use crate::strict::{self, Mistake};
use crate::token::Token;

mod canary;
mod check;
mod compared;
mod deploy;
mod draining;
mod history;
mod hooks;
mod step;

pub use canary::{Canary, Part, Promote};
pub use check::{Ask, Check, OnNoAnswer, Query};
pub use compared::{Compared, Figures};
pub use deploy::{Before, Deploy, Limits, Stage};
pub use draining::Draining;
pub use history::{HISTORY_KEPT, History, Outcome, Served};
pub use hooks::{Finish, Hooks};
pub use step::{Step, StepTime};

/// Who runs a command, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// Login name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (pid {})", self.user, self.host, self.pid)
    }
}

/// A process, told from every other one that ever ran beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Which start of which machine: `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The namespaces in which `pid` and `began` mean something: `pid:[4026531836] time:[4026531834]`.
    pub namespaces: String,
    /// Its number there.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the machine did: numbers are used again.
    pub began: u64,
}

/// The value of `apps/<app>/lock`; leased, so it goes with its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Who holds it.
    pub who: Who,
    /// Since when.
    pub since: Timestamp,
    /// The verb it is held for: `deploy`, `resume`, `retire`, `remove`.
    pub verb: String,
    /// Its holder's process, for those who can look whether it still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

impl Lock {
    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::object(strict::text(value)?)
    }
}

/// A release in its slot, to be known again: what undo goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// Its slot.
    pub slot: Slot,
    /// Its announcement.
    pub token: Token,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The deploy that started its containers, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
    /// Where it answers, if no deploy started it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_in_a_record_is_refused() {
        let said = Lock::parse(br#"{"who":{"user":"a","host":"b","pid":1},"sinc":1}"#).unwrap_err();
        assert!(said.to_string().contains("did you mean `since`?"), "{said}");
    }
}
