//! Programs of the operator's own that a deploy file names, and that are not there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use shunt_config::command::Command;
use shunt_config::deploy_file::DeployFile;
use shunt_config::record::Ask;

/// The programs of `file` that cannot be run from here, in words. Commands are run in the directory
/// that `shuntctl` is run in; a name without a slash is looked for in `PATH`, and may be anything.
pub fn missing(file: &DeployFile) -> Vec<String> {
    let hooks = &file.hooks;
    let once = [
        ("hooks.migrate", &hooks.migrate),
        ("hooks.flipped", &hooks.flipped),
        ("hooks.failed", &hooks.failed),
        ("hooks.finish", &hooks.finish),
    ];
    let once = once
        .into_iter()
        .filter_map(|(place, command)| command.as_ref().map(|command| (place.to_owned(), command)));
    let verify = hooks.verify.iter().map(|command| ("hooks.verify".to_owned(), command));
    let checks = file.checks.iter().filter_map(|check| match &check.ask {
        Ask::Command(command) => Some((format!("guard.checks.{}", check.name), command)),
        Ask::Query(_) => None,
    });
    let all = once.chain(verify).chain(checks);
    all.filter_map(|(place, command)| Some(format!("{place}: {}", wrong(command)?))).collect()
}

/// What is wrong with the program that `command` begins with.
fn wrong(command: &Command) -> Option<String> {
    let program = match command {
        Command::Words(words) => words.first()?.as_str(),
        Command::Shell(line) => line.split_whitespace().next()?,
    };
    // What a shell makes of anything else is its own affair.
    let plain = |c: char| c.is_alphanumeric() || "/._+-".contains(c);
    if !program.contains('/') || !program.chars().all(plain) {
        return None;
    }
    let whence = match Path::new(program).is_absolute() {
        true => "",
        false => "; commands are run in the directory that `shuntctl` is run in",
    };
    match std::fs::metadata(program) {
        Err(error) => Some(format!("`{program}` is not to be had here: {error}{whence}")),
        Ok(found) if found.is_dir() => Some(format!("`{program}` is a directory")),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some(format!("`{program}` is not executable: `chmod +x {program}`"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_file_that_cannot_be_run_is_missing() {
        let line = |line: &str| wrong(&Command::Shell(line.to_owned()));
        let words = |word: &str| wrong(&Command::Words(vec![word.to_owned(), "x".to_owned()]));
        for sound in
            ["true", "/bin/sh -c true", "$HOME/bin/x", "(./x)", "no-such-program", "A=./x b"]
        {
            assert_eq!(line(sound), None, "{sound}");
        }
        let said = line("bin/still-good --now").unwrap();
        assert!(said.contains("`bin/still-good`") && said.contains("is run in"), "{said}");
        assert!(!words("/no/such/program").unwrap().contains("is run in"));
        assert!(words("/etc/passwd").unwrap().contains("chmod +x /etc/passwd"));
        assert!(words("/etc").unwrap().contains("directory"));
    }
}
