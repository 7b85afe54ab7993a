//! Load that wrk and h2load do not make: at a fixed rate, by TLS handshakes, through a WebSocket.
//!
//! Prints one line of JSON: how many were answered, how many failed, and how long they took.
//!
//! # Layout
//!
//! - `exchange`: one request and its answer
//! - `requests`: over kept connections; `pace`: the clock that a fixed rate goes by
//! - `handshake`: a TLS connection for each request
//! - `websocket`: messages that come back
//! - `tally`: what became of all

// It ends where it cannot go on, and says why.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod exchange;
mod handshake;
mod pace;
mod requests;
mod tally;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use tokio::task::LocalSet;

#[derive(Debug, Parser)]
#[command(about)]
enum Kind {
    /// Requests over kept connections.
    Requests {
        #[command(flatten)]
        load: Load,
        /// So many a second. Latency begins when a request was due, not when it could be sent.
        /// Without it, as many as are answered.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// A TLS 1.3 handshake and one request for each connection.
    Handshake {
        #[command(flatten)]
        load: Load,
        /// The authority that signed the server's certificate, in PEM.
        #[arg(long)]
        ca: PathBuf,
        /// Go on with the session of the connection before.
        #[arg(long)]
        resume: bool,
    },
    /// Messages that are echoed, one at a time on each connection.
    Websocket {
        #[command(flatten)]
        load: Load,
        /// Bytes of a message.
        #[arg(long, default_value_t = 1024)]
        size: usize,
    },
    /// Writes a certificate for `localhost`: `ca.pem`, `localhost.crt` and `localhost.key`.
    Certificate {
        /// Where to.
        directory: PathBuf,
    },
}

/// What all kinds of load have.
#[derive(Args, Clone, Debug)]
struct Load {
    /// The proxy.
    #[arg(long)]
    address: SocketAddr,
    /// What is asked for.
    #[arg(long, default_value = "/1k")]
    path: String,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

impl Load {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() {
    let kind = Kind::parse();
    if let Kind::Certificate { directory } = kind {
        let authority = e2e::Authority::new("shunt-bench");
        authority.write(&directory, "ca");
        return authority.issue(&directory, "localhost", &["localhost"]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tally = LocalSet::new().block_on(&runtime, async {
        match kind {
            Kind::Requests { load, rate } => requests::run(&load, rate).await,
            Kind::Handshake { load, ca, resume } => handshake::run(&load, &ca, resume).await,
            Kind::Websocket { load, size } => websocket::run(&load, size).await,
            Kind::Certificate { .. } => unreachable!("written above"),
        }
    });
    println!("{tally}");
}
