//! The command line of `shunt-proxy`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::log::Levels;

/// A reverse proxy that flips between two releases of an app without losing a request.
#[derive(Debug, Parser)]
#[command(name = "shunt-proxy", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT; SIGHUP reads the file again
    ///
    /// Example: shunt-proxy run --config /etc/shunt/proxy.toml
    Run(Run),
    /// Name every mistake in the file, and what would end `run` on this machine; change nothing
    ///
    /// Exit codes: 0 no mistakes, 1 `run` would end (certificates, keys, pages, the access log, the
    /// state directory, a port in use), 2 a mistake in the file.
    ///
    /// Example: shunt-proxy check --config /etc/shunt/proxy.toml
    Check(Check),
}

/// What to look at.
#[derive(Debug, Args)]
pub struct Check {
    /// Which file.
    #[command(flatten)]
    pub file: Config,
    /// Look at the file alone, not at what it names: for a machine that is not the proxy's
    #[arg(long)]
    pub file_only: bool,
}

/// Which file.
#[derive(Debug, Args)]
pub struct Config {
    /// This proxy's own file
    #[arg(long, value_name = "FILE", default_value = "/etc/shunt/proxy.toml")]
    pub config: PathBuf,
}

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// Which file.
    #[command(flatten)]
    pub file: Config,
    /// How log lines are written, to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log: LogFormat,
    /// Which log lines: `off`, `error`, `warn`, `info`, `debug`, `trace`, or by module
    /// `info,shunt_proxy::health=debug`
    #[arg(long, env = "SHUNT_LOG", value_name = "LEVEL", default_value = "info")]
    pub log_level: Levels,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}
