//! The step that runs: what it does, what it waits for, and how it ended.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::outlet::say;
use super::text::plain;
use super::word::{Urgency, Word};
use super::{Paint, Report, marks};
use crate::time::show;

/// A pipe is told what a step waits for only if that lasts.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Done,
    /// There was nothing to do.
    Skipped,
    /// Not as it should.
    Failed,
}

/// The step that runs now.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    began: Instant,
    /// What it was said to wait for, each once.
    waits: BTreeSet<String>,
    /// What it waits for by what it said last, and that in words.
    last: Option<(String, String)>,
}

impl Report {
    /// A step begins: its name, and what it is about to do.
    pub fn begin(&self, name: &str, what: &str) {
        self.event("step", json!({ "step": name, "state": "running", "what": what }));
        if self.terminal {
            let what = self.hidden.cover(&plain(what)).into_owned();
            say(Word::Begin(name.to_owned(), what), Urgency::Kept);
        }
        marks(self.ci.begin(name, &plain(&self.covered(what))));
        let (began, waits) = (Instant::now(), BTreeSet::new());
        *self.running() = Some(Running { name: name.to_owned(), began, waits, last: None });
    }

    /// What the running step waits for: `key` changes only when that changes, `text` may count.
    pub fn progress(&self, key: &str, text: &str) {
        let mut step = self.running();
        let Some(running) = step.as_mut() else { return };
        if self.terminal {
            let text = self.hidden.cover(&plain(text)).into_owned();
            say(Word::Message(text), Urgency::Passing);
        }
        if running.waits.contains(key) {
            return;
        }
        running.last = Some((key.to_owned(), text.to_owned()));
        if self.json {
            let name = running.name.clone();
            self.event("progress", json!({ "step": name, "text": text }));
        } else if self.terminal || running.began.elapsed() < PATIENCE {
            return;
        } else {
            self.write(&format!("  …  {:<12} {}", running.name, plain(text)));
        }
        running.waits.insert(key.to_owned());
    }

    /// The running step is over.
    pub fn end(&self, ended: Ended, said: &str) {
        let Some(running) = self.running().take() else { return };
        if self.terminal {
            say(Word::Over, Urgency::Kept);
        }
        let elapsed = running.began.elapsed();
        marks(self.ci.end(&running.name, ended, said, elapsed));
        let state = match ended {
            Ended::Done => "done",
            Ended::Skipped => "skipped",
            Ended::Failed => "failed",
        };
        if self.json {
            let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            let event = json!({ "step": running.name, "state": state, "said": said, "ms": ms });
            return self.event("step", event);
        }
        let mark = match ended {
            Ended::Done => self.paint("ok  ", Paint::Green),
            Ended::Skipped => self.paint("-   ", Paint::Dim),
            Ended::Failed => self.paint("FAIL", Paint::Red),
        };
        let elapsed = self.paint(&show(elapsed), Paint::Dim);
        let said = plain(said);
        self.write(&format!("{mark} {:<12} {said}  {elapsed}", running.name));
    }

    /// The running step is not over, and nobody was told yet what it waits for: what it said of that when
    /// it had only begun, or else `what` it does.
    pub fn still(&self, what: &str) {
        let last = match self.running().as_ref() {
            Some(running) if running.waits.is_empty() => running.last.clone(),
            _ => return,
        };
        let (key, text) = last.unwrap_or_else(|| (String::new(), format!("not over yet: {what}")));
        self.progress(&key, &text);
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // A poisoned lock only means that another thread panicked while it printed.
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
