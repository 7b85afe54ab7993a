//! A run, as it is written down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shunt_config::AppName;

use crate::process::ProcessId;

/// What someone wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The app.
    pub app: AppName,
    /// The verb.
    pub verb: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// What comes after the app's name.
    pub words: Vec<String>,
    /// Whether it has to wait for its turn, since it takes the app's lock.
    pub waits: bool,
    /// Who wants it: `token ci`, `webhook gitlab`, `serve`.
    pub by: String,
    /// Why, where nobody has asked for it by name.
    pub why: Option<String>,
    /// The release, where it is known.
    pub version: Option<String>,
    /// Its image's digest, where it is known.
    pub digest: Option<String>,
    /// What the delivery that asked for it is remembered by, if one did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivery: Vec<String>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    Running,
    /// It has ended well.
    Done,
    /// It has ended with another code than 0.
    Failed,
    /// A newer deploy came before its turn did.
    Superseded,
    /// Its process is gone and has not said how it ended.
    Interrupted,
}

impl State {
    /// Whether nothing more comes.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A run, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Names it; ids are in the order of time.
    pub id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub order: Order,
    /// How far it has come.
    pub state: State,
    /// When it was asked for.
    pub queued: Timestamp,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Its process, once it has one.
    pub process: Option<ProcessId>,
    /// Its exit code.
    pub exit: Option<u8>,
    /// The same in a word.
    pub outcome: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The run that took its place.
    pub superseded_by: Option<String>,
}

impl Record {
    pub(super) fn new(id: String, order: Order) -> Self {
        Self {
            id,
            order,
            state: State::Queued,
            queued: Timestamp::now(),
            began: None,
            ended: None,
            process: None,
            exit: None,
            outcome: None,
            error: None,
            superseded_by: None,
        }
    }

    /// What it came to, in a word.
    pub fn result(&self) -> &str {
        match (self.state, &self.outcome) {
            (State::Done | State::Failed, Some(outcome)) => outcome,
            (State::Done, None) => "ok",
            (State::Failed, None) => "failed",
            (State::Superseded, _) => "superseded",
            (State::Interrupted, _) => "interrupted",
            (State::Queued, _) => "queued",
            (State::Running, _) => "running",
        }
    }

    pub(super) fn superseded(&mut self, by: &str) {
        self.state = State::Superseded;
        self.ended = Some(Timestamp::now());
        self.superseded_by = Some(by.to_owned());
    }

    pub(super) fn failed(&mut self, error: String) {
        self.state = State::Failed;
        self.ended = Some(Timestamp::now());
        self.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_written_down_before_deliveries_were_still_reads() {
        let text = r#"{"id":"20260101T000000000-00000001","app":"web","verb":"deploy",
            "flags":["--tag=1.1"],"words":[],"waits":true,"by":"webhook ci","why":null,"version":"1.1",
            "digest":null,"state":"running","queued":"2026-01-01T00:00:00Z",
            "began":"2026-01-01T00:00:01Z","ended":null,"process":{"pid":42,"began":7},"exit":null,
            "outcome":null,"error":null,"superseded_by":null}"#;
        let run: Record = serde_json::from_str(text).unwrap();
        assert_eq!((run.order.verb.as_str(), run.order.flags.len()), ("deploy", 1));
        assert_eq!(run.process, Some(ProcessId { pid: 42, began: 7 }));
        let written: serde_json::Value = serde_json::to_value(&run).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}
