//! The variables of an app's containers, gathered from where the deploy file says: before anything
//! is started, and with all that is missing named at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use shunt_config::Mistake;
use shunt_config::command::Command;
use shunt_config::deploy_file::{Environment, Line, Variable, lines};
use shunt_config::secret::{Secret, SecretSource};
use tokio::time::{sleep, timeout};

use crate::exit::Failure;
use crate::report::Report;
use crate::time::show;

/// How long a command may take to print a secret: someone may have to touch a key.
const LIMIT: Duration = Duration::from_mins(1);

/// From when on it is told that one is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a file with variables at most: a container takes no more of them.
const LARGEST: u64 = 1 << 20;

/// The variables of containers.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// All of them.
    pub all: Vec<(Variable, Secret)>,
    /// Those whose values are not to be seen: what is in files, and in the deploy file itself, may be.
    pub secret: BTreeSet<Variable>,
}

/// The secret that is found at `source`, a file's path being relative to `directory`; why not, if it is
/// not there.
pub fn secret(source: &SecretSource, directory: &Path) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Variable(name) => {
            std::env::var(name.as_str()).map_err(|_| format!("`{name}` is not set here"))?
        }
        SecretSource::File(file) => {
            let path = directory.join(file);
            let text = read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            String::from_utf8(text).map_err(|_| format!("{} is no text", path.display()))?
        }
    };
    match (text.trim(), source) {
        ("", SecretSource::Variable(name)) => Err(format!("`{name}` is empty")),
        ("", SecretSource::File(file)) => Err(format!("{} is empty", file.display())),
        (text, _) => Ok(Secret::new(text)),
    }
}

/// Gathers what `wanted` names; files lie in `directory`. What is taken from the controller's own
/// environment or printed by a command is shown as `***` by `report` from here on.
pub async fn resolve(
    wanted: &Environment,
    directory: &Path,
    report: &Report,
) -> Result<Gathered, Failure> {
    let (mut found, mut mistakes) = at_hand(wanted, directory);
    wanted.from.iter().filter_map(|name| found.get(name)).for_each(|secret| report.hide(secret));
    let (mut secrets, mut said) = (BTreeMap::new(), Vec::new());
    if let Some(command) = &wanted.secret_command {
        let place = "run.secret_command";
        match printed(command, place, report, &mut said).await.and_then(|text| several(&text)) {
            Ok(printed) => secrets.extend(printed),
            Err(why) => mistakes.extend(why.into_iter().map(|why| why.at(place))),
        }
    }
    for (name, command) in &wanted.secrets {
        let place = format!("run.secrets.{name}");
        match printed(command, &place, report, &mut said).await.and_then(|text| one(&text)) {
            Ok(value) => drop(secrets.insert(name.clone(), value)),
            Err(why) => mistakes.extend(why.into_iter().map(|why| why.at(&place))),
        }
    }
    // Held back until here: one command may show what another one has printed.
    for secret in secrets.values() {
        report.hide(secret);
    }
    for (place, lines) in said {
        for line in &lines {
            report.hook(&place, line);
        }
    }
    if !mistakes.is_empty() {
        let said = "not all variables of the containers are to be had";
        return Err(Failure::mistakes(said, &mistakes));
    }
    let named = wanted.from.iter().chain(secrets.keys());
    let secret = named.filter(|name| !wanted.literals.contains_key(*name)).cloned().collect();
    found.extend(secrets);
    let literal = |(name, value): (&Variable, &String)| (name.clone(), Secret::new(value));
    found.extend(wanted.literals.iter().map(literal));
    Ok(Gathered { all: found.into_iter().collect(), secret })
}

/// What is to be had without running anything, and what is wrong with it.
pub fn at_hand(
    wanted: &Environment,
    directory: &Path,
) -> (BTreeMap<Variable, Secret>, Vec<Mistake>) {
    let (mut found, mut mistakes) = files(wanted, directory);
    for name in &wanted.from {
        if let Some(value) = own(name) {
            found.insert(name.clone(), value);
        } else {
            let said = format!("`{name}` is not set here, or not UTF-8 text");
            mistakes.push(Mistake::new(said).at("run.env_from"));
        }
    }
    (found, mistakes)
}

/// What is in the files, and what is wrong with them.
pub fn files(wanted: &Environment, directory: &Path) -> (BTreeMap<Variable, Secret>, Vec<Mistake>) {
    let (mut found, mut mistakes) = (BTreeMap::new(), Vec::new());
    for file in &wanted.files {
        let path = directory.join(file);
        let shown = path.display().to_string();
        let read = read(&path).map_err(|e| vec![Mistake::new(format!("{shown}: {e}"))]);
        match read.and_then(|text| lines(&shown, &text)) {
            Ok(lines) => found.extend(lines.into_iter().filter_map(|line| match line {
                Line::Set(name, value) => Some((name, value)),
                Line::Pass(name) => own(&name).map(|value| (name, value)),
            })),
            Err(why) => mistakes.extend(why),
        }
    }
    (found, mistakes)
}

/// What is in the file at `path`. One that never ends, or whose other end nobody writes to, would be
/// read for ever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("larger than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

fn own(name: &Variable) -> Option<Secret> {
    std::env::var(name.as_str()).ok().map(Secret::new)
}

/// `NAME=value` lines.
fn several(text: &[u8]) -> Result<Vec<(Variable, Secret)>, Vec<Mistake>> {
    let mut read = Vec::new();
    for line in lines("line", text)? {
        match line {
            Line::Set(name, value) => read.push((name, value)),
            Line::Pass(_) => {
                return Err(vec![Mistake::new("printed a line without `=`: not shown here")]);
            }
        }
    }
    match read.is_empty() {
        true => Err(vec![Mistake::new("printed no `NAME=value` line")]),
        false => Ok(read),
    }
}

/// One value: all that was printed, without the line end that `echo` adds.
fn one(text: &[u8]) -> Result<Secret, Vec<Mistake>> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'));
    let wrong = |said: &str| Err(vec![Mistake::new(said)]);
    match text.map(|text| text.strip_suffix('\n').unwrap_or(text)) {
        Some("" | "\r") => wrong("printed nothing"),
        Some(value) => Ok(Secret::new(value.strip_suffix('\r').unwrap_or(value))),
        None => wrong("printed something that is no text"),
    }
}

/// What `command` prints for `place`; what it says beside that is added to `said`, to be shown once all
/// that is not to be seen is known.
async fn printed(
    command: &Command,
    place: &str,
    report: &Report,
    said: &mut Vec<(String, Vec<String>)>,
) -> Result<Vec<u8>, Vec<Mistake>> {
    let wrong = |said: String| vec![Mistake::new(said)];
    let words = command.words();
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("no program".into()))?;
    let mut process = tokio::process::Command::new(program);
    process.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |e: std::io::Error| wrong(format!("{program} does not run: {e}"));
    let child = process.spawn().map_err(failed)?;
    let mut ended = std::pin::pin!(timeout(LIMIT, child.wait_with_output()));
    let output = tokio::select! {
        output = &mut ended => output,
        () = sleep(PATIENCE) => {
            report.note(&format!("{place} still runs: what it says is shown when it has ended"));
            ended.await
        }
    };
    let Output { status, stdout, stderr } = match output {
        Ok(output) => output.map_err(failed)?,
        Err(_) => return Err(wrong(format!("did not end within {}", show(LIMIT)))),
    };
    said.push((place.to_owned(), untraced(&stderr)));
    // Whatever can be made of it: it may be half of what it should be, and without a name.
    for line in String::from_utf8_lossy(&stdout).lines() {
        report.hide(&Secret::new(line));
        if let Some((_, value)) = line.split_once('=') {
            report.hide(&Secret::new(value.trim_matches(['"', '\''])));
        }
    }
    match status.success() {
        true => Ok(stdout),
        false => Err(wrong(format!("the command ended with {status}"))),
    }
}

/// The lines of `text` before a shell begins to write of its commands there, after `set -x`: in what it
/// writes are values that were never printed, of a command that failed before it came to that. One of
/// several lines is written as it is, so nobody can tell where a command ends.
fn untraced(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let breaks = text.match_indices(['\n', '\r']).map(|(at, _)| at + 1);
    let traced = std::iter::once(0)
        .chain(breaks)
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with('+')));
    let before = traced.and_then(|at| text.get(..at)).unwrap_or(&text);
    let mut shown: Vec<_> = before.lines().map(str::to_owned).collect();
    if traced.is_some() {
        let why = "what came after that is not shown: a shell's trace may have values in it";
        shown.push(format!("({why}; `set -x` makes it)"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_from_the_first_line_of_a_trace_on() {
        for (text, shown) in [
            ("", vec![]),
            ("no trace: 1 + 1\n", vec!["no trace: 1 + 1"]),
            ("one\n++ cat key.pem\n+ KEY='begin\nhunter-two\nend'\nlost\n", vec!["one"]),
            ("+ KEY=hunter-two\n", vec![]),
            ("50 %\r+ KEY=hunter-two\n", vec!["50 %\r"]),
        ] {
            let mut lines = untraced(text.as_bytes());
            if text.contains("hunter") {
                assert!(lines.pop().unwrap().contains("`set -x`"), "{text}");
            }
            assert_eq!(lines, shown);
        }
    }
}
