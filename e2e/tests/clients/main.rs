//! The proxy as clients see it that nobody here wrote.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod browser;
mod curl;
mod flips;
mod grpc;
mod h2load;
mod house;
mod memory;
mod python;
mod slow;
mod way;
mod websocket;
