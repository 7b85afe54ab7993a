//! What is wrong with a command line, said in the form that it asks for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Failure;
use crate::report::Report;

/// Shows `error`, which may be the help that was asked for; `arguments` tell whether for a script.
/// Returns the exit code.
pub(super) fn tell(mut error: clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.skip(1).collect();
    if let Some(tip) = tip(&error, &arguments) {
        // What clap proposes by the letters alone is another word for another thing.
        for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
            error.remove(kind);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    let error = &error;
    let json = arguments.iter().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        return ExitCode::from(Report::new(true).finish(Err(failure(error))).code());
    }
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
}

/// What was probably meant, where that is more than a slip of letters.
fn tip(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidSubcommand {
        let meant = match said(ContextKind::InvalidSubcommand)? {
            "rollback" | "revert" | "back" => "`shuntctl undo` goes back to the previous release",
            "stop" | "kill" | "down" => {
                "`shuntctl retire` stops the releases that get no requests, `remove` a whole app, and \
                 `maintenance APP on` answers for it"
            }
            "delete" | "rm" | "destroy" => "`shuntctl remove` removes an app",
            "switch" | "swap" | "activate" => "`shuntctl flip` sends requests to the other slot",
            "push" | "up" | "start" | "run" => {
                "`shuntctl deploy --tag 1.1` starts a release, and flips"
            }
            "restart" | "heal" => "`shuntctl mend` starts containers again that are gone",
            "ls" | "apps" | "ps" => "`shuntctl list` lists the apps, `status` shows what serves",
            "validate" | "lint" => "`shuntctl check` checks the deploy file",
            _ => return None,
        };
        return Some(meant.to_owned());
    }
    let verb = arguments.iter().find(|word| !word.to_string_lossy().starts_with('-'))?;
    if error.kind() == ErrorKind::MissingRequiredArgument && verb == "maintenance" {
        return Some("it takes the app, too: `shuntctl maintenance web off`".to_owned());
    }
    if error.kind() != ErrorKind::UnknownArgument || verb != "deploy" {
        return None;
    }
    let word = said(ContextKind::InvalidArg)?;
    let whole = word.contains(['/', ':', '@']);
    match word.starts_with('-') {
        true => None,
        false if whole => Some(format!("did you mean `--image {word}`?")),
        false => Some(format!("did you mean `--tag {word}`?")),
    }
}

/// The same as a failure: its first paragraph is what is wrong, the rest a way out.
fn failure(error: &clap::Error) -> Failure {
    let kind = error.kind();
    // What clap says here lists hidden verbs as well, or is the whole help.
    if kind == ErrorKind::MissingSubcommand
        || kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        return Failure::usage("no verb is named").hint("`shuntctl help` lists them");
    }
    let text = error.render().to_string();
    let (said, rest) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = words.join(" ");
    let failure = Failure::usage(said.strip_prefix("error: ").unwrap_or(&said));
    let rest = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    let rest = rest.collect::<Vec<_>>().join("; ");
    if rest.is_empty() { failure } else { failure.hint(rest) }
}
