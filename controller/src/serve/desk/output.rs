//! What a run has written: one event a line, as with `--json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value, json};

/// Bytes of it that are shown at most: the last.
const SHOWN: u64 = 1 << 20;

/// What a run has written so far.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its events; a line that is none is shown as one.
    pub events: Vec<Value>,
    /// Whether it has written more before them.
    pub cut: bool,
}

impl Output {
    /// Reads the file at `path`; nothing, where there is none yet.
    pub fn read(path: &Path) -> Self {
        Self::try_read(path).unwrap_or_default()
    }

    fn try_read(path: &Path) -> io::Result<Self> {
        let length = std::fs::metadata(path)?.len();
        let from = length.saturating_sub(SHOWN);
        let (bytes, _) = after(path, from)?;
        let text = String::from_utf8_lossy(&bytes);
        let skipped = usize::from(from > 0);
        let events = text.lines().skip(skipped).filter(|line| !line.is_empty()).map(event);
        Ok(Self { events: events.collect(), cut: from > 0 })
    }

    /// Each step in the order in which they began, as it stands.
    pub fn steps(&self) -> Vec<Value> {
        let mut order: Vec<&str> = Vec::new();
        let mut steps: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event["event"] == "step") {
            let (Some(name), Some(fields)) = (event["step"].as_str(), event.as_object()) else {
                continue;
            };
            if !steps.contains_key(name) {
                order.push(name);
            }
            let step = steps.entry(name).or_default();
            let fields = fields.iter().filter(|(key, _)| *key != "event");
            step.extend(fields.map(|(key, value)| (key.clone(), value.clone())));
        }
        order.iter().filter_map(|name| Some(Value::Object(steps.remove(name)?))).collect()
    }

    /// How it ended, if it has said so.
    pub fn end(&self) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["event"] == "end")
    }
}

/// What is in the file from byte `from` on, as whole lines, and where the next one begins.
pub fn after(path: &Path, from: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(SHOWN).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(whole);
    let next = from.saturating_add(u64::try_from(whole).unwrap_or_default());
    Ok((bytes, next))
}

/// A line as an event. What is none was written by a program that failed in its own way.
pub fn event(line: &str) -> Value {
    match serde_json::from_str(line) {
        Ok(value @ Value::Object(_)) => value,
        _ => json!({ "event": "output", "line": line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_shown_as_they_stand_and_half_a_line_is_not_shown_yet() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.out");
        let text = "{\"event\":\"step\",\"step\":\"pull\",\"state\":\"running\",\"what\":\"web:1\"}\n\
            {\"event\":\"step\",\"step\":\"pull\",\"state\":\"done\",\"said\":\"here\",\"ms\":3}\n\
            warning: strange\n{\"event\":\"step\",\"step\":\"start\",\"state\":\"runn";
        std::fs::write(&path, text).unwrap();
        let output = Output::read(&path);
        assert_eq!(output.events.len(), 3);
        assert_eq!(output.events[2], json!({ "event": "output", "line": "warning: strange" }));
        let steps = output.steps();
        assert_eq!(steps.len(), 1);
        assert_eq!((&steps[0]["state"], &steps[0]["what"]), (&json!("done"), &json!("web:1")));
        assert!(output.end().is_none());
        std::fs::write(&path, format!("{text}ing\"}}\n{{\"event\":\"end\",\"exit\":6}}\n"))
            .unwrap();
        let output = Output::read(&path);
        assert_eq!(output.steps().len(), 2);
        assert_eq!(output.end().unwrap()["exit"], 6);
    }

    #[test]
    fn only_the_end_of_a_long_output_is_shown_and_from_a_whole_line_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.out");
        let line = format!("{{\"event\":\"note\",\"text\":\"{}\"}}\n", "x".repeat(1000));
        std::fs::write(&path, line.repeat(1500)).unwrap();
        let output = Output::read(&path);
        assert!(output.cut && output.events.len() > 900);
        assert!(output.events.iter().all(|event| event["event"] == "note"));
    }
}
