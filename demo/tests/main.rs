//! Promises of the demo application and of the load that judges everything else.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used)]

mod app;
mod load;
