//! `[workers.NAME]`: containers of the same image that get no requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::Variable;
use super::run::MAX_REPLICAS;
use super::settings::Settings;
use crate::document::Section;
use crate::name::AppName;

/// Containers of the release that get no requests: those that work on a queue, for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// How they are called: `jobs`.
    pub name: String,
    /// How many.
    pub replicas: u16,
    /// How long they have to run before they are taken to be sound.
    pub settle: Duration,
    /// How each is made: as `[run]` says, but for what this section says.
    pub settings: Settings,
    /// Its variables beside those of `[run]`.
    pub env: BTreeMap<Variable, String>,
}

/// Reads the sections; what they leave out is as in `run`.
pub(super) fn read(mut all: Section<'_>, run: &Settings) -> Vec<Worker> {
    let mut workers = Vec::new();
    for (name, mut section) in all.tables() {
        if name.parse::<AppName>().is_err() {
            section.mistake_here("a worker is named with small letters, digits and `-`");
        }
        let replicas = section.or("replicas", 1);
        if !(1..=MAX_REPLICAS).contains(&replicas) {
            section.mistake("replicas", &format!("{replicas} is not within 1 to {MAX_REPLICAS}"));
        }
        let mut settings = run.clone();
        settings.command = section.required("command");
        settings.entrypoint = section.optional("entrypoint").or(settings.entrypoint);
        settings.memory = section.optional("memory").or(settings.memory);
        settings.cpus = section.optional("cpus").or(settings.cpus);
        settings.stop_signal = section.optional("stop_signal").or(settings.stop_signal);
        let settle = section.duration("settle", Duration::from_secs(5));
        let env = section.or("env", BTreeMap::new());
        workers.push(Worker { name, replicas, settle, settings, env });
    }
    workers
}
