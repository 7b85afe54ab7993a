//! The user's own `ssh`: what it is run with, and what it says when it does not get through.

use std::process::ExitStatus;

use super::CONNECT;

/// Where another configuration than the user's own is named.
const CONFIG: &str = "SHUNT_SSH_CONFIG";

/// How many connections may be at the door at a time: sshd turns some away when there are ten.
pub(super) const AT_THE_DOOR: usize = 8;

/// The arguments of an `ssh` that runs `command` on `host`, as `ssh` knows it.
pub(super) fn arguments(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    command: &[&str],
) -> Vec<String> {
    let options = [
        // Nobody is there to be asked for a passphrase, or whether a host is the right one.
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("ConnectTimeout={}", CONNECT.as_secs()),
        // A host that is gone is noticed after a quarter of a minute.
        "ServerAliveInterval=5".to_owned(),
        "ServerAliveCountMax=2".to_owned(),
        // The others' connections must not end with the one that happened to be first.
        "ControlMaster=no".to_owned(),
    ];
    let mut all = vec!["-T".to_owned()];
    let mut add = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
    if let Some(file) = std::env::var(CONFIG).ok().filter(|file| !file.is_empty()) {
        add("-F", file);
    }
    for option in options {
        add("-o", option);
    }
    if let Some(user) = user {
        add("-l", user.to_owned());
    }
    if let Some(port) = port {
        add("-p", port.to_string());
    }
    all.extend(["--", host].map(str::to_owned));
    all.extend(command.iter().map(|word| (*word).to_owned()));
    all
}

/// What ended it, and the way out: one of `ways` by words in what was `said`, or one that any use of
/// `ssh` has.
pub(super) fn reason(said: &str, status: ExitStatus, ways: &[(&str, &str)]) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.last().map_or_else(|| format!("`ssh` ended: {status}"), ToString::to_string);
    let first = [
        (
            "IDENTIFICATION HAS CHANGED",
            "it shows another host key than `known_hosts` has; if that is as it should be, \
             `ssh-keygen -R HOST` forgets the old one",
        ),
        (
            "Host key verification failed",
            "its host key is not known here: add it to `known_hosts`, by `ssh` once by hand or \
             `ssh-keyscan`, after comparing it with the host's own",
        ),
    ];
    let then = [(
        "permission denied",
        "no key that it accepts: load one with `ssh-add`, or name it as `IdentityFile` in the \
         ssh configuration",
    )];
    let has = |words: &str| said.to_lowercase().contains(&words.to_lowercase());
    match first.iter().chain(ways).chain(&then).find(|(words, _)| has(words)) {
        Some((_, way)) => format!("{last} ({way})"),
        None => last,
    }
}
