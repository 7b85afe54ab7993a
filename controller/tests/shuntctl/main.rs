//! What `shuntctl` promises, on a directory store, with real processes and a real engine.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod again;
mod announce;
mod canary;
mod checks;
mod command_line;
mod daemon;
mod deploys;
mod ending;
mod fence;
mod fenced;
mod flip;
mod gate;
mod hold;
mod hooks;
mod interference;
mod lives;
mod lock;
mod look;
mod mirror;
mod notify;
mod outlet;
mod pages;
mod preview;
mod prune;
mod ready;
mod remove;
mod resume;
mod retire;
mod secrets;
mod serve_api;
mod serve_due;
mod serve_hooks;
mod serve_queue;
mod sessions;
mod settings;
mod shop;
mod site;
mod strategy_hold;
mod stuck;
mod sweep;
mod undo;
mod words;
mod workers;
