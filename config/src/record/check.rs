//! What else is asked of the operator's own while a new release is watched.

use std::fmt;
use std::path::{Path, absolute};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::duration;
use crate::secret::SecretSource;
use crate::template::Template;

/// Something that is asked again and again while a new release is watched, and has the deploy undone
/// if the answer is bad too often. It is part of the deploy's record, so that whoever goes on with
/// that goes on with asking: nothing secret belongs into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// How it is called.
    pub name: String,
    /// What is asked.
    pub ask: Ask,
    /// From the beginning of one run to that of the next.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// How long one run may take; then it has no answer.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How many bad answers in a row undo the deploy.
    pub failures: u32,
    /// What becomes of a run that has no answer.
    pub on_no_answer: OnNoAnswer,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// A command: bad if it ends with another code than 0.
    Command(Command),
    /// A figure: bad if it is out of bounds.
    Query(Query),
}

/// A query that Prometheus answers with one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The query.
    pub query: Template,
    /// The server's URL, without a slash at its end.
    pub prometheus: String,
    /// Where the server's bearer token is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// The lowest number that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The highest number that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What becomes of a run that has no answer: a program that is not there, a server that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNoAnswer {
    /// It is told, and counts for nothing: what a query does unless the file says otherwise.
    Ignore,
    /// It counts as a bad answer: what a command does unless the file says otherwise.
    Fail,
}

impl Check {
    /// The same for whoever stands in another directory: files that it names relative to `directory`
    /// are named in full.
    #[must_use]
    pub fn beside(mut self, directory: &Path) -> Self {
        if let Ask::Query(Query { token: Some(SecretSource::File(file)), .. }) = &mut self.ask
            && let Ok(full) = absolute(directory.join(&file))
        {
            *file = full;
        }
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)
    }
}
