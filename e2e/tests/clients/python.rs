//! The programs in Python beside this file.

use std::net::SocketAddr;

use e2e::Process;
use tempfile::TempDir;
use tokio::process::Command;

/// A program that runs; its first argument is the file.
pub(crate) struct Program {
    /// Dropped before the directory of its log.
    pub(crate) process: Process,
    _directory: TempDir,
}

/// A server that says where it listens.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::with_prefix("shunt-python-").unwrap();
        let (file, arguments) = arguments.split_first().unwrap();
        let packages = "clients-grpcio-1.85.1-websockets-17.4";
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", e2e::cache::cached(packages, "tools/clients"))
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/").to_owned() + file)
            .args(arguments);
        Self { process: Process::start(file, command, directory.path()), _directory: directory }
    }

    /// Waits until it ends by itself and says that all was right; what it said.
    pub(crate) async fn was_right(mut self) -> String {
        let status = self.process.ended().await;
        let log = self.process.log();
        assert!(status.success(), "{status}\n{log}");
        log
    }
}

impl Server {
    pub(crate) async fn start(file: &str, version: &str) -> Self {
        let mut program = Program::start(&[file, version]);
        let address = program.process.said("listening ").await.parse().unwrap();
        Self { program, address }
    }
}
