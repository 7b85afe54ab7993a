//! The process of a run. It has a group of its own and writes to a file, so that it outlives the
//! daemon, and whoever comes after finds both.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

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
