//! What is wrong with a command line, said in the form that it asks for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::exit::Failure;
use crate::report::Report;

/// Shows `error`, which may be the help that was asked for; `arguments` tell whether for a script.
/// Returns the exit code.
pub(super) fn tell(error: &clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let json = arguments.skip(1).any(|argument| argument == "--json");
    if json && error.use_stderr() {
        return ExitCode::from(Report::new(true).finish(Err(failure(error))).code());
    }
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
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
