//! `shuntctl`, as a person or a pipeline runs it.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::process::program;
use crate::{Process, Store};

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Run {
    /// Its standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.output).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// Fails unless it ended with `code`.
    #[must_use]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// All it wrote.
    pub fn text(&self) -> String {
        format!("{}{}", self.output, self.errors)
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n{}", self.code, self.text())
    }
}

/// Runs `shuntctl` on `store` to its end.
pub async fn shuntctl(store: &Store, arguments: &[&str]) -> Run {
    shuntctl_with(store, &[], arguments).await
}

/// The same with variables in its environment.
pub async fn shuntctl_with(store: &Store, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = command(store, arguments);
    command.envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Starts `shuntctl` on `store`, to be waited for, paused or killed; its log goes to `directory`.
/// Where `pause` names a moment (`before flip`), it stands still there.
pub fn start_shuntctl(
    store: &Store,
    arguments: &[&str],
    directory: &Path,
    pause: Option<&str>,
) -> Process {
    start_shuntctl_with(store, &[], arguments, directory, pause)
}

/// The same with variables in its environment.
pub fn start_shuntctl_with(
    store: &Store,
    variables: &[(&str, &str)],
    arguments: &[&str],
    directory: &Path,
    pause: Option<&str>,
) -> Process {
    let mut command = command(store, arguments);
    command.envs(variables.iter().copied());
    if let Some((when, step)) = pause.and_then(|moment| moment.split_once(' ')) {
        command.env(format!("SHUNTCTL_PAUSE_{}", when.to_uppercase()), step);
    }
    Process::start("shuntctl", command, directory)
}

fn command(store: &Store, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("shuntctl"));
    command.env("SHUNT_STORE", store.flag()).args(arguments);
    command
}
