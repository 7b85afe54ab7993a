//! Whether targets can answer.
//!
//! # Layout
//!
//! - [`probe`]: one check of one target
//! - [`counter`]: passes and failures in a row, and what follows from them
//! - [`checker`]: one target checked again and again, and its name resolved

pub mod checker;
pub mod counter;
pub mod probe;

pub use checker::{Checker, Report};
