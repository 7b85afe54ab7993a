//! The promises of TLS, with real handshakes over sockets.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod authority;
mod peer;

mod clients;
mod files;
mod metrics;
mod names;
mod reload;
mod resumption;
mod targets;
mod versions;
