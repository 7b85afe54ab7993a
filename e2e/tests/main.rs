//! Promises of the whole, with real parts.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bad_values;
mod dockerfile;
mod early_response;
mod flips;
mod outages;
mod parts;
mod site;
mod systemd;
mod two_proxies;
