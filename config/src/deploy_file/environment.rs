//! The environment variables of `[run]`: written here, in files, taken from the controller's own
//! environment, or printed by a command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::one_or_many;
use crate::command::Command;
use crate::document::Section;
use crate::secret::Secret;
use crate::strict::Mistake;

/// Where a container's variables come from; what comes later goes before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Files in Docker's format, relative to the deploy file.
    pub files: Vec<PathBuf>,
    /// Variables of the controller's own environment.
    pub from: Vec<Variable>,
    /// A command that prints `NAME=value` lines.
    pub secret_command: Option<Command>,
    /// Variables whose values are printed by a command each.
    pub secrets: BTreeMap<Variable, Command>,
    /// Values written in the deploy file.
    pub literals: BTreeMap<Variable, String>,
}

/// The name of a variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable(String);

impl Variable {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Variable {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let wrong = |c: char| c == '=' || c == '\0' || c.is_whitespace();
        match text.is_empty() || text.contains(wrong) {
            // Not shown: what is no name may be a value that went to the wrong place.
            true => Err(Mistake::new("no name of a variable: it has neither `=` nor spaces")),
            false => Ok(Self(text.to_owned())),
        }
    }
}

by_text!(Variable);

/// Reads the keys of the section that speak of variables.
pub(super) fn read(section: &mut Section<'_>) -> Environment {
    let environment = Environment {
        literals: section.or("env", BTreeMap::new()),
        files: section.optional("env_file").map_or_else(Vec::new, one_or_many),
        from: section.or("env_from", Vec::new()),
        secret_command: section.optional("secret_command"),
        secrets: section.or("secrets", BTreeMap::new()),
    };
    let mut seen: BTreeSet<&Variable> = environment.literals.keys().collect();
    let others = environment.from.iter().map(|name| ("env_from", name));
    let others = others.chain(environment.secrets.keys().map(|name| ("secrets", name)));
    for (key, name) in others {
        if !seen.insert(name) {
            section.mistake(key, &format!("`{name}` is set twice in [run]"));
        }
    }
    for (name, _) in environment.literals.iter().filter(|(_, value)| value.contains('\0')) {
        section.mistake("env", &format!("`{name}` has a zero byte in its value"));
    }
    environment
}

/// A line of a file of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `NAME=value`
    Set(Variable, Secret),
    /// `NAME` alone: the value is the one of the controller's own environment, if it has one.
    Pass(Variable),
}

/// Reads variables in the format of `docker run --env-file`: `NAME=value` lines with the value taken
/// as it is, quotes and trailing spaces included; `#` begins a comment line. All mistakes in one run,
/// each with `file` and its line, and none with what it says there.
pub fn lines(file: &str, text: &[u8]) -> Result<Vec<Line>, Vec<Mistake>> {
    let (mut read, mut mistakes) = (Vec::new(), Vec::new());
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (i, line) in text.split(|byte| *byte == b'\n').enumerate() {
        match one(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(line) => read.extend(line),
            Err(mistake) => mistakes.push(mistake.at(&format!("{file}:{}", i + 1))),
        }
    }
    if mistakes.is_empty() { Ok(read) } else { Err(mistakes) }
}

fn one(line: &[u8]) -> Result<Option<Line>, Mistake> {
    let line = std::str::from_utf8(line).map_err(|_| Mistake::new("not UTF-8 text"))?.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains('\0') {
        return Err(Mistake::new("has a zero byte in it"));
    }
    Ok(Some(match line.split_once('=') {
        Some((name, value)) => Line::Set(name.parse()?, Secret::new(value)),
        None => Line::Pass(line.parse()?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Line {
        Line::Set(name.parse().unwrap(), Secret::new(value))
    }

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        let text =
            b"\xef\xbb\xbf# a comment\n\nA=1\r\n  B='two words' # no comment \nC=\nD=a=b\nHOME\n";
        let read = lines(".env", text).unwrap();
        let home = Line::Pass("HOME".parse().unwrap());
        let b = set("B", "'two words' # no comment ");
        assert_eq!(read, [set("A", "1"), b, set("C", ""), set("D", "a=b"), home]);
    }

    #[test]
    fn mistakes_are_named_by_line_and_never_by_what_they_say() {
        let text = b"A=1\n=hunter2\nPASS WORD=hunter2\nB=\xff\nexport C=hunter2\nhunter2 is it\n";
        let said: Vec<_> =
            lines(".env", text).unwrap_err().iter().map(ToString::to_string).collect();
        let places: Vec<_> = said.iter().map(|said| said.split(": ").next().unwrap()).collect();
        assert_eq!(places, [".env:2", ".env:3", ".env:4", ".env:5", ".env:6"]);
        assert!(!said.iter().any(|said| said.contains("hunter2")), "{said:?}");
    }
}
