//! Commands of the operator's own, run at moments of a deploy: in a process group of their own, with
//! their output shown line by line, and never for longer than they may.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use shunt_config::command::Command;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::report::{Hidden, Report};
use crate::time::show;

mod output;
mod turn;
mod variables;

use output::Output;
use turn::Taken;
pub use turn::Turn;
pub use variables::Variables;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);

/// A command, and what it is run with.
#[derive(Clone, Debug)]
pub struct Hook<'a> {
    /// Which one: `migrate`, `verify`, …
    pub name: &'static str,
    /// What is run.
    pub command: &'a Command,
    /// How long it may take.
    pub timeout: Duration,
    /// What it is told in its environment.
    pub variables: Variables,
    /// Where it waits for other hooks of the app, if it does.
    pub turn: Option<Turn>,
}

/// How a command ended.
#[derive(Debug)]
pub enum Ending {
    /// By itself.
    Exit(ExitStatus),
    /// It did not begin.
    NotRun(std::io::Error),
    /// It had all the time that it may take.
    TooLong(Duration),
    /// Nobody knows.
    Lost(std::io::Error),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => match status.code() {
                Some(code) => write!(f, "ended with code {code}"),
                None => write!(f, "ended with {status}"),
            },
            Self::NotRun(error) => write!(f, "does not run: {error}"),
            Self::TooLong(limit) => write!(f, "was not over after {}", show(*limit)),
            Self::Lost(error) => write!(f, "is lost: {error}"),
        }
    }
}

/// Why a hook has failed: in a sentence, and the last lines it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFailed {
    /// In a sentence.
    pub said: String,
    /// The last lines it wrote, without what is not to be shown.
    pub last: Vec<String>,
}

impl Hook<'_> {
    /// Runs it to its end, or until `stop` is done: then it is ended, and what `stop` said is
    /// returned. Ended means TERM to its process group, and KILL after ten seconds. Before it begins it
    /// waits for its turn, for as long as it may take itself.
    ///
    /// # Cancel safety
    ///
    /// Cancelling kills its process group at once.
    pub async fn run<S>(
        &self,
        report: &Report,
        stop: impl Future<Output = S>,
    ) -> Result<Result<(), HookFailed>, S> {
        let mut stop = pin!(stop);
        let taken = match &self.turn {
            None => Ok(Taken::none()),
            Some(turn) => tokio::select! {
                taken = turn.take(self.name, self.timeout, report) => taken,
                stop = &mut stop => return Err(stop),
            },
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(said) => return Ok(Err(HookFailed { said, last: Vec::new() })),
        };
        let each = |line: &str| report.hook(self.name, line);
        let (ending, last) = self.watched(&taken, report.hidden(), each, stop).await?;
        Ok(match ending {
            Ending::Exit(status) if status.success() => Ok(()),
            ending => Err(HookFailed { said: format!("the hook `{}` {ending}", self.name), last }),
        })
    }

    /// The same without a turn, and with each line of its output given to `each`: how it ended, and its
    /// last lines. What is `hidden` is in none of them: they are written into keys, too, where others read
    /// them. Where it lacks something, one line says so in the place of all.
    ///
    /// # Cancel safety
    ///
    /// As that of [`Self::run`].
    pub async fn end<S>(
        &self,
        hidden: &Hidden,
        each: impl FnMut(&str),
        stop: impl Future<Output = S>,
    ) -> Result<(Ending, Vec<String>), S> {
        self.watched(&Taken::none(), hidden, each, stop).await
    }

    async fn watched<S>(
        &self,
        taken: &Taken,
        hidden: &Hidden,
        mut each: impl FnMut(&str),
        stop: impl Future<Output = S>,
    ) -> Result<(Ending, Vec<String>), S> {
        let (mut group, mut output) = match self.start(taken, hidden) {
            Ok(started) => started,
            Err(error) => return Ok((Ending::NotRun(error), Vec::new())),
        };
        let ended = tokio::select! {
            status = group.ended(&mut output, &mut each) => Ok(Some(status)),
            () = sleep(self.timeout) => Ok(None),
            stop = stop => Err(stop),
        };
        if !matches!(ended, Ok(Some(_))) {
            group.end(&mut output, &mut each).await;
        }
        output.rest(&mut each).await;
        let ending = match ended? {
            Some(Ok(status)) => Ending::Exit(status),
            Some(Err(error)) => Ending::Lost(error),
            None => Ending::TooLong(self.timeout),
        };
        Ok((ending, output.last.into()))
    }

    fn start(&self, taken: &Taken, hidden: &Hidden) -> std::io::Result<(Group, Output)> {
        // One pipe for both, so that lines come in the order in which they were written.
        let (reader, writer) = std::io::pipe()?;
        let words = self.command.words();
        let (program, arguments) = words.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .envs(self.variables.0.iter().map(|(name, value)| (name, value)))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let child = taken.start(&mut command)?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipe = Receiver::from_owned_fd(reader.into())?;
        let output = Output::of(pipe, hidden.clone());
        Ok((Group { child, id }, output))
    }
}

/// A hook's processes. They are killed when this is dropped before the first of them has ended.
struct Group {
    child: Child,
    /// `None` once the first one has ended: its number may be another's soon.
    id: Option<Pid>,
}

impl Group {
    /// Waits for the end of the first process, and shows what is written until then.
    async fn ended(
        &mut self,
        output: &mut Output,
        each: &mut impl FnMut(&str),
    ) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    self.id = None;
                    return status;
                }
                () = output.more(each), if !output.over => {}
            }
        }
    }

    /// Asks all of them to end, and sees to it that they do.
    async fn end(&mut self, output: &mut Output, each: &mut impl FnMut(&str)) {
        self.signal(Signal::TERM);
        let id = self.id;
        if timeout(GRACE, self.ended(output, each)).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.ended(output, each).await;
        }
        // Who has outlived the first of them; as long as there is one, the number is theirs.
        self.id = id;
        self.signal(Signal::KILL);
        self.id = None;
    }

    fn signal(&self, signal: Signal) {
        // Gone already, there is nothing to end.
        let _ = self.id.map(|id| kill_process_group(id, signal));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
