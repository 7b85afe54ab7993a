//! `shunt-demo-app`: a release to deploy, healthy or not.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use demo::app::{App, Faults};
use tokio::signal::unix::{SignalKind, signal};

/// How long a stop waits for clients that are still being answered.
const GRACE: Duration = Duration::from_secs(30);

/// A small web application whose answers name the release they come from.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true)]
struct Options {
    /// Address to listen on [default: 0.0.0.0 and the port of PORT, or 8080]
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Port to listen on, on every address
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// The release it claims to be
    #[arg(long, env = "VERSION", default_value = "1")]
    version: String,
    /// Name of this instance [default: HOSTNAME and the process id]
    #[arg(long, env = "INSTANCE")]
    instance: Option<String>,
    /// How long /up answers 503 after the start
    #[arg(long, env = "READY_AFTER", value_parser = humantime::parse_duration, default_value = "0s")]
    ready_after: Duration,
    /// Makes /up answer 500
    #[arg(long, env = "BROKEN")]
    broken: bool,
    /// How long each answer takes, give or take a half
    #[arg(long, env = "LATENCY", value_parser = humantime::parse_duration, default_value = "0s")]
    latency: Duration,
    /// The share of answers that take ten times as long, 0 to 1
    #[arg(long, env = "TAIL", default_value_t = 0.0)]
    tail: f64,
    /// The share of answers that are 500, 0 to 1
    #[arg(long, env = "ERRORS", default_value_t = 0.0)]
    errors: f64,
    /// Bytes that each request leaves in memory
    #[arg(long, env = "LEAK", default_value_t = 0)]
    leak: usize,
    /// Ends with an error after this time, as a release does that cannot start
    #[arg(long, env = "EXIT_AFTER", value_parser = humantime::parse_duration)]
    exit_after: Option<Duration>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listen = options.listen.unwrap_or((Ipv4Addr::UNSPECIFIED, options.port).into());
    let running =
        app(&options).start(listen).with_context(|| format!("could not listen on {listen}"))?;
    say(&format!("release {} listens on {}", options.version, running.address()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = crash(options.exit_after) => anyhow::bail!("no configuration found in DATABASE_URL"),
    }
    say("stopping");
    // Whoever has not been answered by then will not be: the engine kills us soon in any case.
    let _ = tokio::time::timeout(GRACE, running.stop()).await;
    Ok(())
}

fn app(options: &Options) -> App {
    let instance = options.instance.clone().unwrap_or_else(|| {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
        format!("{host}/{}", std::process::id())
    });
    let Options { latency, tail, errors, leak, .. } = *options;
    let faults = Faults { latency, tail, errors, leak };
    let app = App::new(&options.version).instance(instance).ready_after(options.ready_after);
    let app = app.faults(faults);
    if options.broken { app.broken() } else { app }
}

async fn crash(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

/// Its log is its output, as an engine expects it; a closed output is no reason to stop serving.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
