//! `shunt-proxy`: see the library of the same name.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use shunt_config::proxy_file::ProxyFile;
use shunt_proxy::cli::{Check, Cli, Command, Run};
use shunt_proxy::run::run;
use shunt_proxy::{check, log};

/// A request allocates and frees a dozen small blocks on one thread; this one is best at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code for a file or a command line with mistakes.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => serve(&options),
        Command::Check(options) => look(&options),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn look(options: &Check) -> anyhow::Result<ExitCode> {
    let path = &options.file.config;
    let Some(file) = load(path) else { return Ok(ExitCode::from(USAGE)) };
    let found = if options.file_only { check::Found::default() } else { check::check(&file) };
    found.faults.iter().for_each(|fault| complain(fault));
    found.remarks.iter().for_each(|remark| complain(&format!("note: {remark}")));
    if !found.faults.is_empty() {
        complain(&format!("{}: on this machine `run` would end with that", path.display()));
        return Ok(ExitCode::FAILURE);
    }
    writeln!(io::stdout(), "{}: no mistakes", path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn serve(options: &Run) -> anyhow::Result<ExitCode> {
    let Some(file) = load(&options.file.config) else { return Ok(ExitCode::from(USAGE)) };
    log::begin(options.log, options.log_level.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(run(&options.file.config, file));
    // Name look-ups and the like that are under way may take long, and nobody waits for them.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

fn load(path: &Path) -> Option<ProxyFile> {
    match ProxyFile::load(path) {
        Ok(file) => Some(file),
        Err(mistakes) => {
            for mistake in mistakes {
                complain(&mistake.to_string());
            }
            None
        }
    }
}

fn complain(line: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
