//! Why a step of a deploy failed.

use std::collections::BTreeMap;

use shunt_config::ProxyName;
use shunt_config::store::StoreError;

use crate::ack::join;
use crate::engine::EngineError;
use crate::exit::{Exit, Failure};
use crate::fence::NotDone;
use crate::hook::HookFailed;
use crate::journal::WriteError;
use crate::judge::Finding;
use crate::report::LACK;
use crate::stop::Stop;

/// Why a step of a deploy failed. What that means depends on how far the deploy had come.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Stopped from outside.
    Stop(Stop),
    /// The release is not healthy: in a sentence, and what is known beyond it.
    Unhealthy(String, Vec<String>),
    /// A hook of the operator's own failed.
    Hook(HookFailed),
    /// Its workers do not run: in a sentence, and what is known beyond it.
    Workers(String, Vec<String>),
    /// Proxies cannot serve it, and why.
    Refused(BTreeMap<ProxyName, String>),
    /// Not every live proxy said in time that it serves it.
    Unacknowledged(String),
    /// The new release is bad, as requests to it have shown.
    Found(Finding),
    /// The engine failed.
    Engine(EngineError),
    /// The store failed; nothing more can be written.
    Store(String),
    /// Anything else, with its own exit code.
    Other(Failure),
}

impl Trouble {
    /// The same without what containers and hooks wrote, for those who do not know what has to be covered in
    /// that.
    pub(super) fn in_own_words(mut self) -> Self {
        let details = match &mut self {
            Self::Unhealthy(_, details) | Self::Workers(_, details) => details,
            Self::Found(Finding::Ended(_, last)) => last,
            // A hook's lines were left out when they came.
            _ => return self,
        };
        let foreign = |line: &str| line.starts_with("| ") || line.starts_with("the last lines of ");
        let all = details.len();
        details.retain(|line| !foreign(line));
        let mut less = details.len() < all;
        for line in details.iter_mut() {
            // What the check of the image itself has written comes behind that.
            if let Some((own, _)) = line.split_once("HEALTHCHECK fails: ") {
                (*line, less) = (format!("{own}HEALTHCHECK fails"), true);
            }
        }
        details.extend(less.then(|| format!("({LACK})")));
        self
    }

    /// The trouble in words, and the exit code it means while traffic is as it was.
    pub(super) fn failure(&self, id: &str) -> Failure {
        match self {
            Self::Stop(Stop::Signal) => Failure::new(Exit::Undone, "stopped by a signal"),
            Self::Stop(Stop::Undo(who)) => Failure::new(Exit::Undone, format!("undone by {who}")),
            Self::Stop(Stop::LockLost) => {
                let said = format!("the lock was lost, so deploy {id} changes nothing more");
                Failure::new(Exit::Unreachable, said)
            }
            Self::Stop(Stop::Superseded(said)) => Failure::new(Exit::Superseded, said.clone()),
            Self::Unhealthy(said, details) => {
                Failure::new(Exit::Unhealthy, said.clone()).details(details.clone())
            }
            Self::Hook(HookFailed { said, last }) => {
                let last = last.iter().map(|line| format!("| {line}"));
                Failure::new(Exit::Hook, said.clone()).details(last)
            }
            Self::Workers(said, details) => {
                Failure::new(Exit::Workers, said.clone()).details(details.clone())
            }
            Self::Refused(why) => {
                let details = why.iter().map(|(proxy, reason)| format!("{proxy}: {reason}"));
                let said = format!("refused by {}", join(why.keys()));
                Failure::new(Exit::Unacknowledged, said).details(details)
            }
            Self::Unacknowledged(waits) => {
                let said = format!("flipped, but not acknowledged in time: {waits}");
                Failure::new(Exit::Unacknowledged, said)
            }
            Self::Found(finding) => {
                let failure = Failure::new(Exit::Undone, finding.to_string());
                match finding {
                    Finding::Ended(_, last) => failure.details(last.clone()),
                    _ => failure,
                }
            }
            Self::Engine(error) => error.clone().into(),
            Self::Store(said) => Failure::new(Exit::Unreachable, said.clone()),
            Self::Other(failure) => failure.clone(),
        }
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<NotDone> for Trouble {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Store(error) => error.into(),
            NotDone::Engine(error) => error.into(),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::Stop(Stop::LockLost),
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stop(stop) => Self::Stop(stop),
            WriteError::Store(error) => error.into(),
            promoted @ WriteError::Promoted(_) => {
                Self::Stop(Stop::Superseded(promoted.to_string()))
            }
            WriteError::Record(error) => Self::Store(error.to_string()),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_our_own_words_alone_there_is_no_line_of_a_container_and_it_says_so() {
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let failing = "jobs: the image's HEALTHCHECK fails: hunter-two";
        let all = lines(&[failing, "the last lines of jobs:", "| hunter-two"]);
        for trouble in [
            Trouble::Workers("no".to_owned(), all.clone()),
            Trouble::Found(Finding::Ended("jobs ended".to_owned(), all)),
        ] {
            let left = trouble.in_own_words().failure("id").details;
            assert_eq!(left[0], "jobs: the image's HEALTHCHECK fails");
            assert_eq!(left[1..], [format!("({LACK})")]);
        }
        let own = Trouble::Unhealthy("no".to_owned(), lines(&["jobs: ended with code 1"]));
        assert_eq!(own.in_own_words().failure("id").details, ["jobs: ended with code 1"]);
    }
}
