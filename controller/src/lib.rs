//! `shuntctl`: starts a release next to the old one, proves it, flips one key, waits until every
//! proxy has applied the flip and let go of the old release, and only then retires that.
//!
//! # Layout
//!
//! - [`cli`], [`verb`]: the command line, a file per verb; [`env_name`]: environments
//! - [`context`], [`report`], [`time`], [`exit`]: what every verb works with
//! - [`app_keys`], [`fleet`]: what the store holds for an app, and what the proxies say of it
//! - [`sight`], [`summary`]: both kept up to date, and shown on one page
//! - [`announce`], [`flip`], [`undo`]: the transactions; [`hold`]: stopping requests for a while;
//!   [`mirror`]: copying them
//! - [`ack`], [`prove`]: what the proxies say to them
//! - [`hosts`]: whose a host is
//! - [`lock`], [`keeping`]: who may deploy, and what everyone who may does first; [`process`]: whether they still run;
//!   [`fence`]: that nobody else does anything on an engine
//! - [`deploy`], [`journal`], [`stop`]: the steps, their record, and what stops them from outside;
//!   [`interrupt`]: what stops the other verbs
//! - [`hook`], [`program`]: commands of the operator's own, and those that are not there; [`preview`]: how they see a
//!   release that gets no requests
//! - [`canary`](mod@canary): what a part of a canary waits for
//! - [`judge`]: whether a release is worse than the one before; [`checks`]: what else is asked
//! - [`retire`]: what is stopped for good, and when; [`stay`]: visitors who are still there
//! - [`workers`]: containers that get no requests
//! - [`engine`], [`environment`], [`port`], [`probe`]: where containers run, with which variables,
//!   and whether they answer
//! - [`notify`]: who else is told; [`request`]: how servers that are not ours are asked
//! - [`serve`]: the controller as a daemon; [`vanished`]: containers of what serves that are gone
//! - [`history`]: what was deployed
//! - [`demo`]: all of it under load, with a proxy and releases of its own

pub mod ack;
pub mod announce;
pub mod app_keys;
pub mod canary;
pub mod checks;
pub mod cli;
pub mod context;
pub mod demo;
pub mod deploy;
pub mod drained;
pub mod engine;
pub mod env_name;
pub mod environment;
pub mod exit;
pub mod expected;
pub mod fence;
pub mod fleet;
pub mod flip;
pub mod history;
pub mod hold;
pub mod hook;
pub mod hosts;
pub mod interrupt;
pub mod journal;
pub mod judge;
pub mod keeping;
pub mod lock;
pub mod mirror;
pub mod notify;
pub mod port;
pub mod preview;
pub mod probe;
pub mod process;
pub mod program;
pub mod prove;
pub mod report;
pub mod request;
pub mod retire;
pub mod serve;
pub mod sight;
pub mod stay;
pub mod stop;
pub mod summary;
pub mod time;
pub mod undo;
pub mod vanished;
pub mod verb;
pub mod workers;
