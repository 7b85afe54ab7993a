//! The data plane's promises, on real sockets: raw bytes in, raw bytes out, with the routing
//! snapshot put together by hand.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod backend;
mod client;
mod gated;
mod heads;
mod proxy;

mod balancing;
mod bodies;
mod bounds;
mod canary;
mod claims;
mod clients;
mod ejection;
mod errors;
mod expect;
mod extended;
mod forwarding;
mod hold;
mod http2;
mod line;
mod mirror;
mod preview;
mod rest;
mod retries;
mod sessions;
mod sticky;
mod targets;
mod upgrades;
mod visit;
