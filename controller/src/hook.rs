//! Commands of the operator's own, run at moments of a deploy: in a process group of their own, with
//! their output shown line by line, and never for longer than they may.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use shunt_config::command::Command;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::report::{Hidden, LACK, Report};
use crate::time::show;

mod variables;

pub use variables::Variables;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);

/// How long the output of a hook that has ended is waited for: what it has left running in the
/// background may hold on to it for ever.
const REST: Duration = Duration::from_secs(1);

/// Bytes of one line that are shown as one.
const LINE: usize = 4096;

/// Lines of its output that are shown again if a hook fails.
const LAST: usize = 5;

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
    /// returned. Ended means TERM to its process group, and KILL after ten seconds.
    ///
    /// # Cancel safety
    ///
    /// Cancelling kills its process group at once.
    pub async fn run<S>(
        &self,
        report: &Report,
        stop: impl Future<Output = S>,
    ) -> Result<Result<(), HookFailed>, S> {
        let (ending, last) =
            self.end(report.hidden(), |line| report.hook(self.name, line), stop).await?;
        Ok(match ending {
            Ending::Exit(status) if status.success() => Ok(()),
            ending => Err(HookFailed { said: format!("the hook `{}` {ending}", self.name), last }),
        })
    }

    /// The same, with each line of its output given to `each`: how it ended, and its last lines. What is
    /// `hidden` is in none of them: they are written into keys, too, where others read them. Where it lacks
    /// something, one line says so in the place of all.
    ///
    /// # Cancel safety
    ///
    /// As that of [`Self::run`].
    pub async fn end<S>(
        &self,
        hidden: &Hidden,
        mut each: impl FnMut(&str),
        stop: impl Future<Output = S>,
    ) -> Result<(Ending, Vec<String>), S> {
        let (mut group, mut output) = match self.start(hidden) {
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

    fn start(&self, hidden: &Hidden) -> std::io::Result<(Group, Output)> {
        // One pipe for both, so that lines come in the order in which they were written.
        let (reader, writer) = std::io::pipe()?;
        let words = self.command.words();
        let (program, arguments) = words.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .envs(self.variables.0.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipe = Receiver::from_owned_fd(reader.into())?;
        let (hidden, last) = (hidden.clone(), VecDeque::new());
        let output = Output { pipe, hidden, part: Vec::new(), last, over: false };
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

/// What a hook writes, line by line.
struct Output {
    pipe: Receiver,
    hidden: Hidden,
    part: Vec<u8>,
    last: VecDeque<String>,
    over: bool,
}

impl Output {
    /// Reads a piece.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses nothing: what was read is shown before anything is waited for again.
    async fn more(&mut self, each: &mut impl FnMut(&str)) {
        self.part.reserve(LINE);
        if matches!(self.pipe.read_buf(&mut self.part).await, Ok(0) | Err(_)) {
            self.over = true;
        }
        while let Some(end) = self.part.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.part.drain(..=end).collect();
            self.line(&line, each);
        }
        // What begins before the cut and may be a value that is not to be shown has to be here whole.
        while self.part.len() >= LINE + self.hidden.longest() {
            let cut = self.hidden.cut(&self.part, LINE);
            let line: Vec<u8> = self.part.drain(..cut).collect();
            self.line(&line, each);
        }
        if self.over && !self.part.is_empty() {
            let line = std::mem::take(&mut self.part);
            self.line(&line, each);
        }
    }

    /// Reads what is left of a hook that has ended.
    async fn rest(&mut self, each: &mut impl FnMut(&str)) {
        let all = async {
            while !self.over {
                self.more(each).await;
            }
        };
        let _ = timeout(REST, all).await;
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(&str)) {
        if self.hidden.lacks() {
            if self.last.is_empty() {
                let said = format!("({LACK})");
                each(&said);
                self.last.push_back(said);
            }
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = self.hidden.cover(line.trim_end()).into_owned();
        each(&line);
        self.last.push_back(line);
        if self.last.len() > LAST {
            self.last.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
