//! What is counted, how, and how it is shown.
//!
//! # Layout
//!
//! - [`histogram`]: latency buckets by bit arithmetic
//! - [`meters`]: one release's counters, in a cell per data thread

pub mod histogram;
pub mod meters;

pub use meters::{Meters, Totals};
