//! Promises of the whole, with real parts.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bad_values;
mod canary;
mod deploys;
mod dockerfile;
mod droplets;
mod early_response;
mod engines;
mod flips;
mod guard;
mod holds;
mod httpbin;
mod killed;
mod outages;
mod parts;
mod serve;
mod shop;
mod site;
mod systemd;
mod trouble;
mod two_deploys;
mod two_proxies;
