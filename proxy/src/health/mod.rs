//! Whether targets can answer.
//!
//! # Layout
//!
//! - [`probe`]: one check of one target; [`outcome`]: what it found
//! - [`counter`]: passes and failures in a row, and what follows from them
//! - `name`: the name of a target, resolved
//! - [`checker`]: one target checked again and again
//! - [`limits`]: how much of that may go on at once

pub mod checker;
pub mod counter;
pub mod limits;
mod name;
pub mod outcome;
pub mod probe;

pub use checker::{Checker, Report};
pub use limits::Limits;
