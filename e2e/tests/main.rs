//! Promises of the whole, with real parts.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod parts;
