//! What a person, a pipe or a script gets to read.
//!
//! A terminal shows the running step with its progress; a pipe gets one line per step, when it is
//! over; `--json` gets one JSON object per line. A run that reports events ends with
//! `"event":"end"`; a question is answered with its answer alone, or with the end of a failed run.
use std::io::{IsTerminal, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use shunt_config::secret::Secret;

use crate::exit::{Exit, Failure};

mod ci;
mod colour;
mod hidden;
mod last_word;
mod outlet;
mod paint;
mod step;
mod text;
mod word;
mod writer;

use ci::Ci;
pub use hidden::{Hidden, LACK};
pub use last_word::LastWord;
use outlet::say;
pub use outlet::{Errors, flush, flushed};
pub use paint::Paint;
use paint::{OFF, painted};
pub use step::Ended;
pub(crate) use step::PATIENCE;
use step::Running;
use text::json_text;
pub use text::{plain, table};
use word::{Urgency, Word};

/// Where output goes, and in which form.
#[derive(Debug)]
pub struct Report {
    json: bool,
    colour: bool,
    terminal: bool,
    step: Mutex<Option<Running>>,
    /// Whether an event was written.
    events: AtomicBool,
    /// What is to be known of the run if it ends here and now.
    at_stake: Mutex<Option<String>>,
    hidden: Hidden,
    ci: Ci,
}

/// Told what is waited for: a key that changes only when that changes, and a text that may count.
pub type Tell<'a> = dyn FnMut(&str, &str) + Send + 'a;

impl Report {
    /// For this process's standard output: JSON lines if `json`, otherwise for people.
    pub fn new(json: bool) -> Self {
        let terminal = stdout().is_terminal() && !json;
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (step, events) = (Mutex::new(None), AtomicBool::new(false));
        let (hidden, ci) = (Hidden::default(), Ci::of_environment(json));
        let (colour, at_stake) = (terminal && !plain, Mutex::default());
        Self { json, colour, terminal, step, events, at_stake, hidden, ci }
    }

    /// Whether output is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// From here on `secret` is shown as `***`, wherever it turns up.
    pub fn hide(&self, secret: &Secret) {
        self.hidden.add(secret);
    }

    /// What is not to be shown, for those who take in what others write.
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// `text` without what is not to be shown, for those who show it elsewhere.
    pub fn covered(&self, text: &str) -> String {
        self.hidden.cover(text).into_owned()
    }

    /// Something worth knowing, beside the steps.
    pub fn note(&self, text: &str) {
        self.event("note", json!({ "text": text }));
        self.line(&plain(text));
    }

    /// From here on `what` is to be known if the run is ended: something is written, and stands.
    pub fn stands(&self, what: String) {
        *self.at_stake.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// What stands if the run ends now; `None` as long as nothing was written.
    pub fn at_stake(&self) -> Option<String> {
        self.at_stake.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something that is wrong and no matter here: beside what is written, which may be for a script.
    pub fn warn(&self, text: &str) {
        let text = format!("warning: {}\n", plain(&self.covered(text)));
        say(Word::Error(self.ci.harmless(&text).into_owned().into_bytes()), Urgency::Kept);
    }

    /// A line for people only, or several.
    pub fn line(&self, text: &str) {
        if self.json {
            return;
        }
        self.write(text);
    }

    /// A line of a container's output, for people only: as it is, since its colours are the app's. It
    /// waits where nobody takes what is written, so it is for those who hold no lock.
    pub fn output(&self, line: &str) {
        if !self.json {
            self.say(line, Urgency::Patient);
        }
    }

    /// A line that the hook `name` has written. Its colours are shown where there are colours.
    pub fn hook(&self, name: &str, line: &str) {
        if self.json {
            let plain = colour::without(line);
            let event = json!({ "event": "output", "hook": name, "line": plain });
            self.events.store(true, Ordering::Relaxed);
            return put(self.json(event), Urgency::Spare);
        }
        let prefix = self.paint(&format!("     {name} |"), Paint::Dim);
        let line = if self.colour { colour::kept(line) } else { plain(&colour::without(line)) };
        self.say(&format!("{} {line}", painted(&prefix)), Urgency::Spare);
    }

    /// Clears a terminal, so that it shows what comes next and nothing else.
    pub fn clear(&self) {
        if self.terminal {
            say(Word::Text("\x1b[H\x1b[2J".to_owned()), Urgency::Kept);
        }
    }

    /// A value as a line of its own, for scripts only.
    pub fn value(&self, value: &Value) {
        if self.json {
            put(self.json(value.clone()), Urgency::Kept);
        }
    }

    /// A line of JSON with what happened.
    pub fn event(&self, name: &str, fields: Value) {
        if !self.json {
            return;
        }
        self.events.store(true, Ordering::Relaxed);
        put(self.json(event(name, fields)), Urgency::Kept);
    }

    /// The last word of a run, and its exit code.
    pub fn finish(&self, result: Result<(), Failure>) -> Exit {
        self.ci.summarise(&result, |text| self.covered(text));
        let failure = match result {
            Ok(()) if !self.events.load(Ordering::Relaxed) => return Exit::Ok,
            Ok(()) => {
                self.event("end", json!({ "exit": 0, "outcome": Exit::Ok }));
                return Exit::Ok;
            }
            Err(failure) => failure,
        };
        self.end(Ended::Failed, "");
        marks(self.ci.failed(&self.covered(&failure.said)));
        say(self.word(&failure), Urgency::Kept);
        failure.exit
    }

    /// The same for one that ends at once, should it have to: prepared for whoever then has nothing but that.
    pub fn last_word(&self, failure: &Failure) -> LastWord {
        LastWord::new(self.word(failure), failure.exit)
    }

    fn word(&self, failure: &Failure) -> Word {
        if self.json {
            let line = self.json(event("end", last_word::end(failure)));
            return Word::Text(format!("{line}\n"));
        }
        let colour = stderr().is_terminal() && self.colour;
        let error = if colour { "\x1b[31merror\x1b[0m" } else { "error" };
        Word::Error(self.shown(&last_word::text(error, failure)).into_bytes())
    }

    /// `text` in a colour, where there are colours.
    pub fn paint(&self, text: &str, paint: Paint) -> String {
        match self.colour {
            true => format!("{}{text}{OFF}", paint.mark()),
            false => text.to_owned(),
        }
    }

    /// Writes lines for people.
    fn write(&self, text: &str) {
        for line in text.split('\n') {
            self.say(&painted(&plain(line)), Urgency::Kept);
        }
    }

    fn say(&self, line: &str, urgency: Urgency) {
        put(self.shown(line), urgency);
    }

    /// Text for people as it may be shown.
    fn shown(&self, text: &str) -> String {
        self.ci.harmless(&self.hidden.cover(text)).into_owned()
    }

    /// `value` as it may be shown.
    fn json(&self, mut value: Value) -> String {
        self.hidden.cover_json(&mut value);
        self.ci.harmless_json(&json_text(&value)).into_owned()
    }
}

/// What happened, as a value whose first word is `name`.
fn event(name: &str, fields: Value) -> Value {
    let mut line = Map::new();
    line.insert("event".to_owned(), name.into());
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    Value::Object(line)
}

/// Writes what a pipeline's own page makes of the run. It is covered already: what is escaped there would not be
/// known for what it is.
fn marks(marks: Option<String>) {
    if let Some(marks) = marks {
        put(marks, Urgency::Kept);
    }
}

fn put(mut line: String, urgency: Urgency) {
    line.push('\n');
    say(Word::Text(line), urgency);
}
