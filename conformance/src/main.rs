//! `conformance [--failures] [PEER …]`: all cases on shunt, nginx and `HAProxy`, side by side. Exit code 1 if
//! shunt is wrong in one.

use std::io::Write;
use std::process::ExitCode;

use conformance::{Peer, cases, report, suite};
use futures_util::future::join_all;

/// Processes of a peer side by side.
const LANES: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let named = |peer: &Peer| arguments.iter().any(|name| name.eq_ignore_ascii_case(peer.name()));
    let mut peers: Vec<_> = [Peer::Shunt, Peer::Nginx, Peer::Haproxy].into();
    if peers.iter().any(named) {
        peers.retain(named);
    }
    let all: Vec<_> = cases::all().into_iter().flat_map(|(_, cases)| cases).collect();
    let columns =
        peers.into_iter().map(async |peer| (peer, suite::run_all(peer, &all, LANES).await));
    let columns = join_all(columns).await;
    let mut out = std::io::stdout().lock();
    // Whoever closes the pipe has seen enough.
    let _ = write!(out, "{}", report::table(&all, &columns));
    let mut wrong = false;
    for (peer, results) in &columns {
        let failures = report::failures(&all, results);
        wrong |= *peer == Peer::Shunt && !failures.is_empty();
        if *peer == Peer::Shunt || arguments.iter().any(|a| a == "--failures") {
            let _ = write!(out, "{failures}");
        }
    }
    ExitCode::from(u8::from(wrong))
}
