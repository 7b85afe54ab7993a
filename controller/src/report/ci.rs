//! What the pages of GitLab and GitHub make of a run, where it runs in a pipeline of theirs: sections
//! that fold, failures on top, a table of the steps.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Ended, plain};
use crate::exit::Failure;
use crate::time::show;

/// Where its runner ends a line.
const ENDS: [char; 2] = ['\n', '\r'];

/// Whose pipeline this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    GitLab,
    GitHub,
}

/// The pipeline, if it runs in one.
#[derive(Debug, Default)]
pub(super) struct Ci {
    host: Option<Host>,
    /// Whether GitHub reads every line that is written, JSON or not.
    github: bool,
    summary: Option<PathBuf>,
    /// The steps that are over: name, how, what was said, how long.
    steps: Mutex<Vec<[String; 4]>>,
}

impl Ci {
    /// As the environment of this process tells; JSON lines are for scripts, which fold nothing.
    pub(super) fn of_environment(json: bool) -> Self {
        let is = |name: &str| std::env::var(name).is_ok_and(|value| value == "true");
        let host = match () {
            () if json => None,
            () if is("GITLAB_CI") => Some(Host::GitLab),
            () if is("GITHUB_ACTIONS") => Some(Host::GitHub),
            () => None,
        };
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        let (github, summary) = (is("GITHUB_ACTIONS"), summary.map(PathBuf::from));
        Self { host, github, summary, steps: Mutex::default() }
    }

    /// `lines` of others without what GitHub takes for commands of a step: `::` at the beginning of a line,
    /// which it ends at `\r`, too, and its older `##[` anywhere in it. What is only looked at is not to be done.
    pub(super) fn harmless<'a>(&self, lines: &'a str) -> Cow<'a, str> {
        let begins = |line: &str| line.trim_start().starts_with("::");
        match self.github && (lines.contains("##[") || lines.split(ENDS).any(begins)) {
            true => Cow::Owned(broken_up(lines)),
            false => Cow::Borrowed(lines),
        }
    }

    /// The same for JSON, in which it stays the same value.
    pub(super) fn harmless_json<'a>(&self, line: &'a str) -> Cow<'a, str> {
        match self.github && line.contains("##[") {
            true => Cow::Owned(line.replace("##[", "#\\u0023[")),
            false => Cow::Borrowed(line),
        }
    }

    /// What comes before the lines of a step.
    pub(super) fn begin(&self, name: &str, what: &str) -> Option<String> {
        let now = Timestamp::now().as_second();
        Some(match self.host? {
            Host::GitLab => {
                let id = section(name);
                format!("\x1b[0Ksection_start:{now}:{id}\r\x1b[0K{name}: {what}")
            }
            Host::GitHub => {
                let what = broken_up(&format!("{name}: {what}"));
                format!("::group::{}", data(&what))
            }
        })
    }

    /// What comes after them.
    pub(super) fn end(
        &self,
        name: &str,
        ended: Ended,
        said: &str,
        took: Duration,
    ) -> Option<String> {
        if self.summary.is_some() {
            let how = match ended {
                Ended::Done => "done",
                Ended::Skipped => "skipped",
                Ended::Failed => "**failed**",
            };
            let row = [name.to_owned(), how.to_owned(), said.to_owned(), show(took)];
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
        let now = Timestamp::now().as_second();
        Some(match self.host? {
            Host::GitLab => format!("\x1b[0Ksection_end:{now}:{}\r\x1b[0K", section(name)),
            Host::GitHub => "::endgroup::".to_owned(),
        })
    }

    /// A failure, on top of the page.
    pub(super) fn failed(&self, said: &str) -> Option<String> {
        (self.host? == Host::GitHub)
            .then(|| format!("::error title=shuntctl::{}", data(&broken_up(said))))
    }

    /// Adds the steps to the page of the run, if there were any. A page is no reason to fail for.
    pub(super) fn summarise(&self, result: &Result<(), Failure>, cover: impl Fn(&str) -> String) {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = self.summary.as_ref().filter(|_| !steps.is_empty()) else { return };
        let mut text = "| step | | | took |\n|---|---|---|---|\n".to_owned();
        for row in steps.iter() {
            let cells = row.iter().map(|cell| plain(&cover(cell)).replace('|', "\\|"));
            // Writing to a String does not fail.
            let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        if let Err(failure) = result {
            // What stands by itself after an empty line is shown as it is.
            let _ = write!(text, "\n**{}**\n\n", plain(&cover(&failure.said)));
            for detail in &failure.details {
                let _ = writeln!(text, "    {}", plain(&cover(detail)));
            }
        }
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
    }
}

/// The name of a section: GitLab takes letters, digits, `_`, `.` and `-`.
fn section(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("shunt_{}", name.chars().map(letter).collect::<String>())
}

/// `lines` with commands in them broken up.
fn broken_up(lines: &str) -> String {
    let line = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        let rest = rest.replace("##[", "## [");
        match rest.strip_prefix("::") {
            Some(rest) => format!("{indent}: :{rest}"),
            None => format!("{indent}{rest}"),
        }
    };
    lines.split_inclusive(ENDS).map(line).collect()
}

/// GitHub's escapes.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_no_command_to_github_and_the_same_elsewhere() {
        let github = Ci { github: true, ..Ci::default() };
        for (text, shown) in [
            ("a ##[error]b ##[set-env]", "a ## [error]b ## [set-env]"),
            ("  ::stop-commands::x\nb ::c", "  : :stop-commands::x\nb ::c"),
            ("::add-mask::e", ": :add-mask::e"),
            ("x\r::stop-commands::abc", "x\r: :stop-commands::abc"),
            ("x\r \r\n\t::c\n", "x\r \r\n\t: :c\n"),
            ("one\ntwo", "one\ntwo"),
        ] {
            assert_eq!(github.harmless(text), shown);
            assert_eq!(Ci::default().harmless(text), text);
        }
        let json = r#"{"line":"a ##[error]b"}"#;
        let shown = github.harmless_json(json);
        assert!(!shown.contains("##["), "{shown}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
        let github = Ci { host: Some(Host::GitHub), ..github };
        let group = github.begin("start", "##[error]").unwrap();
        assert_eq!(group, "::group::start: ## [error]");
    }
}
