//! Releases: processes of this very program that run the demo app.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use demo::app::App;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Failure};

/// What a release is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Healthy.
    Sound,
    /// Its health check fails.
    Broken,
}

/// A release that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Release {
    address: SocketAddr,
    _process: Child,
}

impl Release {
    pub(super) async fn start(version: &str, kind: Kind) -> Result<Self, Failure> {
        let failed = |said: String| {
            Failure::new(Exit::Unreachable, format!("release {version} did not start: {said}"))
        };
        let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
        let mut command = Command::new(program);
        command.args(["demo-release", version]);
        if kind == Kind::Broken {
            command.arg("--broken");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let spawned = command.kill_on_drop(true).spawn();
        let mut process = spawned.map_err(|e| failed(e.to_string()))?;
        let output = process.stdout.take().ok_or_else(|| failed("no output".to_owned()))?;
        let line = BufReader::new(output).lines().next_line().await;
        let line = line.map_err(|e| failed(e.to_string()))?.unwrap_or_default();
        let address = line.parse().map_err(|_| failed(format!("it said `{line}`")))?;
        Ok(Self { address, _process: process })
    }

    /// Where it answers.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

/// What the process of a release does: says its address in one line, and serves until it is told to
/// stop.
#[expect(clippy::print_stdout, reason = "the address is for the process that started this one")]
pub async fn serve(version: &str, broken: bool) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let app = App::new(version);
    let app = if broken { app.broken() } else { app };
    let running = app.start((Ipv4Addr::LOCALHOST, 0).into())?;
    println!("{}", running.address());
    terminate.recv().await;
    running.stop().await;
    Ok(())
}
