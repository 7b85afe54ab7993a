//! The command line `shuntctl`.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use shunt_controller::cli::Cli;
use shunt_controller::report::{Errors, flush, flushed};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(code) => {
            flush();
            return code;
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("SHUNT_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| cli.log_level().into()))
        .with_writer(|| Errors)
        .with_ansi(stderr().is_terminal())
        .init();
    match runtime() {
        Ok(work) => {
            let exit = work.block_on(cli.run());
            // A pull or a watch may still be on its way; nobody waits for it any more.
            work.shutdown_background();
            match runtime() {
                Ok(rest) => {
                    rest.block_on(flushed());
                    rest.shutdown_background();
                }
                Err(_) => flush(),
            }
            ExitCode::from(exit.code())
        }
        Err(error) => shunt_controller::cli::no_runtime(&error),
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
