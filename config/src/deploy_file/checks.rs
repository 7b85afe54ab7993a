//! `[guard.checks.NAME]`: what else is asked while a new release is watched.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::environment::Variable;
use crate::command::Command;
use crate::document::Section;
use crate::name::AppName;
use crate::record::{Ask, Check, OnNoAnswer, Query};
use crate::secret::SecretSource;
use crate::template::Template;

/// What `failures` may be.
const MAX_FAILURES: u32 = 100;

/// What `interval` and `timeout` may be.
const TIMES: [Duration; 2] = [Duration::from_millis(100), Duration::from_hours(1)];

/// Reads the sections.
pub(super) fn read(mut all: Section<'_>) -> Vec<Check> {
    let mut read = Vec::new();
    for (name, mut section) in all.tables() {
        if name.parse::<AppName>().is_err() {
            section.mistake_here("a check is named with small letters, digits and `-`");
        }
        let usual = Duration::from_secs(10);
        let interval = section.duration("interval", usual);
        let timeout = section.duration("timeout", usual);
        for (key, time) in [("interval", interval), ("timeout", timeout)] {
            if !(TIMES[0]..=TIMES[1]).contains(&time) {
                section.mistake(key, "is not within 100ms to 1h");
            }
        }
        let failures = section.or("failures", 3);
        if !(1..=MAX_FAILURES).contains(&failures) {
            let said = format!("{failures} is not within 1 to {MAX_FAILURES}");
            section.mistake("failures", &said);
        }
        // A command that does not run is a mistake of the operator's; a server may be down.
        let usual = match section.has("command") {
            true => OnNoAnswer::Fail,
            false => OnNoAnswer::Ignore,
        };
        let on_no_answer = section.or("on_no_answer", usual);
        let ask = match (section.has("command"), section.has("query")) {
            (true, false) => section.optional::<Command>("command").map(Ask::Command),
            (false, true) => query(&mut section).map(Ask::Query),
            _ => {
                let _ = (ignored(&mut section, "command"), query(&mut section));
                section.mistake_here("write either `command` or `query`");
                None
            }
        };
        let Some(ask) = ask else { continue };
        read.push(Check { name, ask, interval, timeout, failures, on_no_answer });
    }
    read
}

fn query(section: &mut Section<'_>) -> Option<Query> {
    let query = section.optional::<Template>("query");
    let asked = query.is_some();
    let prometheus = match asked {
        true => section.required::<String>("prometheus"),
        false => section.optional("prometheus"),
    };
    let (min, max) = (section.optional::<f64>("min"), section.optional::<f64>("max"));
    let bounds = [min, max].into_iter().flatten();
    if asked && (min.is_none() && max.is_none() || bounds.clone().any(f64::is_nan)) {
        section.mistake_here("a query needs a bound: `max = 0.01`, or `min`, or both");
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        section.mistake("min", &format!("{min} is more than `max`"));
    }
    if section.has("token") {
        ignored(section, "token");
        let said = "a secret is in no file of ours: name the variable or the file that has it, \
                    `token_from = \"PROMETHEUS_TOKEN\"` or `token_file = \"/etc/shunt/token\"`";
        section.mistake("token", said);
    }
    let variable = section.optional::<Variable>("token_from");
    let file = section.optional::<PathBuf>("token_file");
    let token = match (variable, file) {
        (Some(variable), None) => Some(SecretSource::Variable(variable)),
        (None, Some(file)) => Some(SecretSource::File(file)),
        (None, None) => None,
        _ => {
            section.mistake_here("write `token_from` or `token_file`, not both");
            None
        }
    };
    let prometheus = prometheus?;
    if let Err(said) = server(&prometheus) {
        section.mistake("prometheus", said);
    }
    let prometheus = prometheus.trim_end_matches('/').to_owned();
    Some(Query { query: query?, prometheus, token, min, max })
}

/// What is wrong with a server's URL. It is not shown: there may be a password in it.
fn server(url: &str) -> Result<(), &'static str> {
    let write = "is no URL of a server: write `http://10.0.0.3:9090`";
    let uri: Uri = url.parse().map_err(|_| write)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
        return Err(write);
    }
    match uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        true => Err("a password is in no file of ours: use `token_from` or `token_file`"),
        false => Ok(()),
    }
}

fn ignored(section: &mut Section<'_>, key: &str) {
    let _: Option<toml::Value> = section.optional(key);
}
