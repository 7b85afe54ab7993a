//! What is counted, how, and how it is shown.
//!
//! # Layout
//!
//! - [`meters`]: one release's counters, in a cell per data thread
//! - [`pairs`]: requests and their copies
//! - [`process`]: what belongs to no release
//! - `catalog`, `families`: what `/metrics` shows, and what it means
//! - [`collector`], `trouble`, [`certificates`]: what is collected at once
//! - [`scrape`]: the rest, which every busy app has, written piece by piece

mod catalog;
pub mod certificates;
pub mod collector;
mod families;
pub mod meters;
pub mod pairs;
pub mod process;
pub mod scrape;
mod trouble;

pub use certificates::CertificatesCollector;
pub use collector::{Collector, PlaneCounts};
pub use meters::{Meters, Totals};
pub use pairs::Pairs;
pub use process::ProcessMeters;
pub use scrape::Scrape;
