//! The variables of an app's containers, gathered from where the deploy file says: before anything
//! is started, and with all that is missing named at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shunt_config::Mistake;
use shunt_config::command::Command;
use shunt_config::deploy_file::{Environment, Line, Variable, lines};
use shunt_config::secret::{Secret, SecretSource};
use tokio::time::timeout;

use crate::exit::Failure;
use crate::report::Report;
use crate::time::show;

/// How long a command may take to print a secret: someone may have to touch a key.
const LIMIT: Duration = Duration::from_mins(1);

/// The secret that is found at `source`, a file's path being relative to `directory`; why not, if it is
/// not there.
pub fn secret(source: &SecretSource, directory: &Path) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Variable(name) => {
            std::env::var(name.as_str()).map_err(|_| format!("`{name}` is not set here"))?
        }
        SecretSource::File(file) => {
            let path = directory.join(file);
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?
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
) -> Result<Vec<(Variable, Secret)>, Failure> {
    let (mut found, mut mistakes) = at_hand(wanted, directory);
    let mut secrets = BTreeMap::new();
    if let Some(command) = &wanted.secret_command {
        match printed(command).await.and_then(|text| several(&text)) {
            Ok(printed) => secrets.extend(printed),
            Err(why) => mistakes.extend(why.into_iter().map(|why| why.at("run.secret_command"))),
        }
    }
    for (name, command) in &wanted.secrets {
        match printed(command).await.and_then(|text| one(&text)) {
            Ok(value) => drop(secrets.insert(name.clone(), value)),
            Err(why) => {
                let place = format!("run.secrets.{name}");
                mistakes.extend(why.into_iter().map(|why| why.at(&place)));
            }
        }
    }
    if !mistakes.is_empty() {
        let said = "not all variables of the containers are to be had";
        return Err(Failure::mistakes(said, &mistakes));
    }
    let own = wanted.from.iter().filter_map(|name| found.get(name));
    own.chain(secrets.values()).for_each(|secret| report.hide(secret));
    found.extend(secrets);
    let literal = |(name, value): (&Variable, &String)| (name.clone(), Secret::new(value));
    found.extend(wanted.literals.iter().map(literal));
    Ok(found.into_iter().collect())
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
        let read = std::fs::read(&path).map_err(|e| vec![Mistake::new(format!("{shown}: {e}"))]);
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

/// What `command` prints; what it says beside that goes where this program's own errors go.
async fn printed(command: &Command) -> Result<Vec<u8>, Vec<Mistake>> {
    let wrong = |said: String| vec![Mistake::new(said)];
    let words = command.words();
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("no program".into()))?;
    let mut process = tokio::process::Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let failed = |e: std::io::Error| wrong(format!("{program} does not run: {e}"));
    let child = process.spawn().map_err(failed)?;
    let output = match timeout(LIMIT, child.wait_with_output()).await {
        Ok(output) => output.map_err(failed)?,
        Err(_) => return Err(wrong(format!("did not end within {}", show(LIMIT)))),
    };
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(wrong(format!("the command ended with {}", output.status))),
    }
}
