//! The process of a run. It has a group of its own and writes to a file, so that it outlives the
//! daemon, and whoever comes after finds both.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How often a process that is not a child is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// A process: its number, and when it began, since numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the machine did.
    pub began: u64,
}

impl ProcessId {
    /// The process with this number, if it runs.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything, parentheses included.
        let mut rest = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let dead = matches!(rest.next()?, "Z" | "X");
        let began = rest.nth(18)?.parse().ok()?;
        (!dead).then_some(Self { pid, began })
    }

    /// Waits until it is gone.
    pub(super) async fn gone(self) {
        while Self::of(self.pid) == Some(self) {
            sleep(LOOK).await;
        }
    }
}

/// Starts `command`; all it writes goes to the file at `output`.
pub(super) fn start(mut command: Command, output: &Path) -> io::Result<Child> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(output)?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // Ctrl-C at the daemon's terminal is meant for the daemon.
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert_eq!(ProcessId::of(own.pid), Some(own));
        assert_ne!(ProcessId::of(own.pid), Some(ProcessId { began: own.began + 1, ..own }));
        assert_eq!(ProcessId::of(u32::MAX), None);
    }
}
