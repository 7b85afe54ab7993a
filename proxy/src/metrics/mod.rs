//! What is counted, how, and how it is shown.
//!
//! # Layout
//!
//! - [`meters`]: one release's counters, in a cell per data thread
//! - [`process`]: what belongs to no release
//! - `catalog`, `families`, [`collector`], [`certificates`]: what `/metrics` shows

mod catalog;
pub mod certificates;
pub mod collector;
mod families;
pub mod meters;
pub mod process;

pub use certificates::CertificatesCollector;
pub use collector::{Collector, PlaneCounts};
pub use meters::{Meters, Totals};
pub use process::ProcessMeters;
