//! The control plane's promises, on the real program, a real store and real targets.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod backend;
mod site;

mod acks;
mod admin;
mod checks;
mod descriptors;
mod files;
mod front;
mod hold;
mod hosts;
mod mirror;
mod preview;
mod process;
mod session;
mod sessions;
mod snapshot;
mod spread;
