//! A program that runs while its handle lives.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::until;

/// Lines of a log shown when the test fails.
const SHOWN: usize = 30;

/// A process whose output goes to a file. It is killed and gone when this is dropped, so that it
/// writes nothing more to what is dropped after it; when the test is failing then, the end of its log
/// is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, its output appended to `NAME.log` in `directory`.
    pub fn start(name: &str, mut command: Command, directory: &Path) -> Self {
        let path = directory.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("could not start {name}: {e}"));
        Self { name: name.to_owned(), child, log: path }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    /// Where it writes to.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// What it has written, over all its starts with this log.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for a line that begins with `start`, and returns the rest of the last such line.
    pub async fn said(&mut self, start: &str) -> String {
        let what = format!("{} says `{start}`", self.name);
        until(&what, async || {
            let log = self.log();
            let found = log.lines().rev().find_map(|line| line.strip_prefix(start));
            let found = found.map(|rest| rest.trim().to_owned());
            if found.is_none() {
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "{} ended instead: {ended:?}\n{log}", self.name);
            }
            found
        })
        .await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let waiting = tokio::time::timeout(crate::wait::PATIENCE, self.child.wait());
        waiting.await.unwrap_or_else(|_| panic!("{} does not end", self.name)).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = self.child.id() {
            kill_and_wait(pid);
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let from = lines.len().saturating_sub(SHOWN);
            eprintln!("--- log of {}\n{}\n---", self.name, lines[from..].join("\n"));
        }
    }
}

/// Kills a process and blocks until it is gone, since it is for a drop; the kernel needs some milliseconds.
pub(crate) fn kill_and_wait(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let Ok(ended) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    let _ = rustix::process::pidfd_send_signal(&ended, Signal::KILL);
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit));
}

/// A program of ours, built into the same target directory as the test or benchmark that runs.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let directory = own.parent().unwrap();
    // Tests lie in a directory of their own below the programs.
    let tests = directory.file_name().is_some_and(|name| name == "deps");
    let path = if tests { directory.parent().unwrap() } else { directory }.join(name);
    assert!(path.exists(), "{} is not built: `cargo build` does it", path.display());
    path
}

/// Runs a tool to its end and returns what it wrote to its standard output, or fails with all it
/// wrote.
pub async fn tool(program: &str, arguments: &[&str]) -> String {
    feed(program, arguments, &[]).await
}

/// The same with something to read.
pub async fn feed(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let output = run(program, arguments, input).await;
    let status = output.status;
    assert!(status.success(), "{program} {arguments:?}: {status}\n{}", all_of(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a tool to its end, whatever comes of it; returns all it wrote.
pub async fn attempt(program: &str, arguments: &[&str]) -> (ExitStatus, String) {
    let output = run(program, arguments, &[]).await;
    (output.status, all_of(&output))
}

async fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    // Two of the tools want to be told: etcdctl which API, docker that there is no BuildKit.
    command.env("ETCDCTL_API", "3").env("DOCKER_BUILDKIT", "0");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = command.kill_on_drop(true).spawn();
    let mut child = spawned.unwrap_or_else(|e| panic!("could not run {program}: {e}"));
    let mut pipe = child.stdin.take().unwrap();
    // A tool that does not read all of it has its reasons, and says them by its exit code.
    let _ = pipe.write_all(input).await;
    drop(pipe);
    child.wait_with_output().await.unwrap()
}

fn all_of(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
