//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::json;
use shunt_config::duration;
use shunt_config::store::StoreConfig;

use crate::context::Context;
use crate::demo;
use crate::env_name::EnvName;
use crate::exit::{Exit, Failure};
use crate::interrupt::or_stopped;
use crate::report::Report;
use crate::verb;

mod mistake;

const ABOUT: &str = "\
Deploys web applications behind shunt-proxy without losing a request: starts the new release next
to the old one, proves it healthy, flips one key, waits until every proxy has applied the flip and
let go of the old release, and only then retires that.";

const EXIT_CODES: &str = "\
Exit codes:
  0  done as asked
  1  `demo` only: a request was lost, or something was not as it should be
  2  a wrong flag, name or file, or nothing to do it with; nothing was changed
  3  the new release is not healthy, or no proxy could prove it; traffic was never touched
  4  another run holds the app's lock; nothing was changed
  5  not acknowledged, or not let go of, by every proxy in time; what was not is not stopped
  6  undone: refused by a proxy, worse than the old release while it was watched, or stopped by
     `undo` or a signal; traffic is as it was
  7  store or engine not reachable, or lost on the way; `shuntctl resume` goes on
  8  superseded: someone else changed the same keys meanwhile, and theirs stay
  9  a hook (`migrate` or `verify`) failed before the flip; traffic was never touched
  10 flipped, but the new workers do not run; the old ones do

Start here:
  shuntctl init                                       # writes a shunt.toml to fill in
  shuntctl deploy --tag 1.1                           # with Docker
  shuntctl announce web green 10.0.0.12:9001 && shuntctl flip web   # with your own script
  shuntctl undo web";

/// What a verb's help shows its flags above.
const EVERY: &str = "Options of every verb";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "shuntctl", version, about = ABOUT, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Global {
    /// The store: etcd endpoints, separated by commas, or the directory store's path. By default
    /// the one in the deploy file
    #[arg(
        long,
        global = true,
        env = "SHUNT_STORE",
        hide_env_values = true,
        value_name = "URL|/PATH"
    )]
    #[arg(help_heading = EVERY)]
    store: Option<StoreConfig>,
    /// The deploy file [default: shunt.toml]
    #[arg(short, long, global = true, value_name = "PATH", help_heading = EVERY)]
    file: Option<PathBuf>,
    /// The environment: `staging` lays shunt.staging.toml over shunt.toml
    #[arg(
        short,
        long,
        global = true,
        env = "SHUNT_ENV",
        hide_env_values = true,
        value_name = "NAME"
    )]
    #[arg(help_heading = EVERY)]
    env: Option<EnvName>,
    /// Writes JSON, one object per line
    #[arg(long, global = true, help_heading = EVERY)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes a commented shunt.toml to begin with
    #[command(
        after_help = "Example:\n  shuntctl init --app web --image registry.example.com/acme/web"
    )]
    Init(verb::init::Init),
    /// Checks the deploy file; names all its mistakes in one run
    #[command(
        after_help = "It needs no store, no engine and no secret: files that are named in it are read, nothing is run.\n\nExamples:\n  shuntctl check\n  shuntctl check --env staging      # shunt.staging.toml over shunt.toml"
    )]
    Check,
    /// Starts the new release beside the old one, proves it, flips, drains, keeps the old one warm
    #[command(after_help = verb::deploy::HELP)]
    Deploy(verb::deploy::Deploy),
    /// Finishes or undoes a deploy whose controller is gone, and clears away what it left
    #[command(after_help = verb::resume::HELP)]
    Resume(verb::resume::Resume),
    /// Stops the releases that get no requests: the warm one, and what could not be stopped before
    #[command(after_help = verb::retire::HELP)]
    Retire(verb::retire::Retire),
    /// Removes what is kept of releases that are gone, beyond what is to be kept
    #[command(
        after_help = "Examples:\n  shuntctl prune web --dry-run\n  shuntctl prune web --keep 2 --keep-images 5"
    )]
    Prune(verb::prune::Prune),
    /// Starts containers again that are gone, though their release serves
    #[command(after_help = "Examples:\n  shuntctl mend web\n  shuntctl mend web --dry-run")]
    Mend(verb::mend::Mend),
    /// Runs as a daemon: webhooks, an HTTP API, a queue for each app, and what is due by itself
    #[command(
        after_help = "Examples:\n  shuntctl serve --check\n  shuntctl serve --config /etc/shunt/serve.toml"
    )]
    Serve(verb::serve::Serve),
    /// Shows the output of a release's containers
    #[command(after_help = verb::logs::HELP)]
    Logs(verb::logs::Logs),
    /// Removes an app: from the proxies, then its containers, then its keys
    #[command(after_help = verb::remove::HELP)]
    Remove(verb::remove::Remove),
    /// Puts a release that you run yourself into a slot, and waits until the proxies have proved it
    #[command(after_help = verb::announce::HELP)]
    Announce(verb::announce::Announce),
    /// Sends new requests to the other slot, and waits until every live proxy does
    #[command(after_help = verb::flip::HELP)]
    Flip(verb::flip::Flip),
    /// Lets new requests wait in the proxies, at most for a while, and waits until all of them do
    #[command(after_help = verb::hold::HOLD_HELP)]
    Hold(verb::hold::Hold),
    /// Lets requests through again that were held: those that wait, one after the other
    #[command(after_help = verb::hold::RELEASE_HELP)]
    Release(verb::hold::Release),
    /// Answers an app's requests with 503 and a message, or no longer
    #[command(after_help = verb::hold::MAINTENANCE_HELP)]
    Maintenance(verb::hold::Maintenance),
    /// Goes back to the previous release; it still runs, so this takes well under a second
    #[command(after_help = verb::undo::HELP)]
    Undo(verb::undo::Undo),
    /// Shows where a release is seen that gets no requests yet, and signs a pass to it
    #[command(
        after_help = "Examples:\n  shuntctl preview web\n  shuntctl preview web --slot green --for 10m --key /etc/shunt/preview.key"
    )]
    Preview(verb::preview::Preview),
    /// Ends the share that a canary waits at: the next one begins, or the flip
    #[command(after_help = verb::promote::HELP)]
    Promote(verb::promote::Promote),
    /// Ends a canary: all requests go back to the old release, and the new one is removed
    #[command(after_help = verb::abort::HELP)]
    Abort(verb::abort::Abort),
    /// Shows what is served, by whom, and what is half done
    #[command(after_help = verb::status::HELP)]
    Status(verb::status::Status),
    /// Lists the apps in the store
    #[command(after_help = "Examples:\n  shuntctl list\n  shuntctl list --json | jq -r .app")]
    List,
    /// Lists finished deploys, flips and undos, the last first
    #[command(after_help = verb::history::HELP)]
    History(verb::history::History),
    /// Lists the proxies, or forgets one that will not come back
    #[command(
        subcommand,
        after_help = "Examples:\n  shuntctl proxy list\n  shuntctl proxy forget lb2"
    )]
    Proxy(verb::proxy::Proxy),
    /// Deploys, breaks, undoes and flips a small app under load, on this machine alone
    #[command(
        after_help = "It needs no store, no Docker and no file, only `shunt-proxy` beside it or in PATH, and leaves nothing.\n\nExample:\n  shuntctl demo"
    )]
    Demo,
    /// One release of the demo, as the process that it is
    #[command(hide = true)]
    DemoRelease {
        /// Its version
        version: String,
        /// Makes its health check fail
        #[arg(long)]
        broken: bool,
    },
    /// Writes a completion script for a shell
    #[command(
        after_help = "Example:\n  shuntctl completions bash > /etc/bash_completion.d/shuntctl"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// The command line of this process. A mistake in it, or the help that is asked for, is shown,
    /// and the exit code returned.
    pub fn of_process() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| mistake::tell(error, std::env::args_os()))
    }

    /// How much is logged unless `SHUNT_LOG` says otherwise: a daemon's log is all there is to see of it.
    pub fn log_level(&self) -> &'static str {
        match self.verb {
            Verb::Serve(_) => "error,shunt_controller=info",
            _ => "error",
        }
    }

    /// Does what was asked, and says how it went.
    pub async fn run(self) -> Exit {
        let Global { store, file, env, json } = self.global;
        let context = Context::new(Report::new(json), store, file, env);
        let result = match self.verb {
            Verb::Init(init) => init.run(&context),
            Verb::Check => verb::check::run(&context),
            Verb::Deploy(deploy) => Box::pin(deploy.run(&context)).await,
            Verb::Resume(resume) => Box::pin(resume.run(&context)).await,
            Verb::Retire(retire) => Box::pin(retire.run(&context)).await,
            Verb::Prune(prune) => Box::pin(prune.run(&context)).await,
            Verb::Mend(mend) => Box::pin(mend.run(&context)).await,
            Verb::Serve(serve) => Box::pin(serve.run(&context)).await,
            Verb::Logs(logs) => logs.run(&context).await,
            Verb::Remove(remove) => Box::pin(remove.run(&context)).await,
            Verb::Announce(announce) => or_stopped(&context, announce.run(&context)).await,
            Verb::Flip(flip) => or_stopped(&context, flip.run(&context)).await,
            Verb::Hold(hold) => Box::pin(or_stopped(&context, hold.run(&context))).await,
            Verb::Release(release) => Box::pin(or_stopped(&context, release.run(&context))).await,
            Verb::Maintenance(maintenance) => {
                Box::pin(or_stopped(&context, maintenance.run(&context))).await
            }
            Verb::Undo(undo) => Box::pin(or_stopped(&context, undo.run(&context))).await,
            Verb::Preview(preview) => preview.run(&context).await,
            Verb::Promote(promote) => promote.run(&context).await,
            Verb::Abort(abort) => Box::pin(or_stopped(&context, abort.run(&context))).await,
            Verb::Status(status) => status.run(&context).await,
            Verb::List => verb::list::run(&context).await,
            Verb::History(history) => history.run(&context).await,
            Verb::Proxy(proxy) => proxy.run(&context).await,
            Verb::Demo => demo::run(&context.report).await,
            Verb::DemoRelease { version, broken } => demo::serve(&version, broken)
                .await
                .map_err(|e| Failure::new(Exit::Unreachable, e.to_string())),
            Verb::Completions { shell } => {
                let mut command = <Self as clap::CommandFactory>::command();
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, "shuntctl", &mut script);
                if json {
                    let script = String::from_utf8_lossy(&script);
                    let value = json!({ "shell": shell.to_string(), "script": script });
                    context.report.value(&value);
                    return Exit::Ok;
                }
                // A reader that has seen enough, such as `head`, is no failure.
                let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
                return Exit::Ok;
            }
        };
        context.report.finish(result)
    }
}

/// A duration as flags take it: `30s`, `5m`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

/// Says that not even a runtime could be had.
#[expect(clippy::print_stderr, reason = "there is no report yet")]
pub fn no_runtime(error: &std::io::Error) -> ExitCode {
    eprintln!("error: no runtime: {error}");
    ExitCode::from(Exit::Unreachable.code())
}
