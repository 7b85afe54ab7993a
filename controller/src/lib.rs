//! `shuntctl`: starts a release next to the old one, proves it, flips one key, waits until every
//! proxy has applied the flip and let go of the old release, and only then retires that.
//!
//! # Layout
//!
//! - [`cli`], [`verb`]: the command line, a file per verb
//! - [`context`], [`report`], [`exit`]: what every verb works with: store, output, exit codes
//! - [`app_keys`], [`fleet`], [`sight`], [`summary`]: what the store holds for an app, what the proxies say of
//!   it, and both kept up to date
//! - [`announce`], [`flip`], [`undo`]: the transactions, and waiting for what the proxies say
//! - [`lock`], [`history`]: who may deploy, and what was deployed
//! - [`engine`]: where containers run
//! - [`demo`]: all of it under load, with a proxy and releases of its own

pub mod announce;
pub mod app_keys;
pub mod cli;
pub mod context;
pub mod demo;
pub mod deploy;
pub mod engine;
pub mod exit;
pub mod fleet;
pub mod flip;
pub mod guard;
pub mod history;
pub mod journal;
pub mod keeping;
pub mod lock;
pub mod port;
pub mod probe;
pub mod prove;
pub mod report;
pub mod retire;
pub mod sight;
pub mod summary;
pub mod undo;
pub mod verb;
