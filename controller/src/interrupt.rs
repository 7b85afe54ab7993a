//! Ctrl-C, and SIGTERM, where a verb takes nothing back: what stands by then is said.

use std::future::{Future, pending};
use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::stop;

/// Does `verb`, until it is done or a signal ends it. A deploy that it does, or repairs, has a way of its
/// own to be stopped.
///
/// # Cancel safety
///
/// As far as `verb` has it: a signal drops it where it waits.
pub async fn or_stopped<T>(
    context: &Context,
    verb: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    // Whoever is told of no signals is ended by them.
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    let mut terminate = signal(SignalKind::terminate()).ok();
    let mut verb = pin!(verb);
    loop {
        tokio::select! {
            done = &mut verb => return done,
            () = next(&mut interrupt) => {}
            () = next(&mut terminate) => {}
        }
        if !stop::someone_looks_out() {
            return Err(stopped(context));
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

fn stopped(context: &Context) -> Failure {
    match context.report.at_stake() {
        Some(stands) => {
            let said = "stopped by a signal, and not everything was waited for";
            Failure::new(Exit::Unacknowledged, said).hint(stands)
        }
        None => Failure::new(Exit::Undone, "stopped by a signal; nothing was changed"),
    }
}
