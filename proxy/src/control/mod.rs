//! The control plane: what the store asks for, and what of it is served.
//!
//! One task owns all of it and is the only writer of the routing snapshot; what it knows is shown
//! in an [`Overview`], so that nobody waits for it. Nothing on the way of a request comes here.
//!
//! # Layout, in the order of a change
//!
//! - [`intake`]: what the store tells, and what of it is believed
//! - [`desired`]: the keys, parsed
//! - [`ownership`]: which app a host belongs to
//! - [`served`], [`serving`]: what an app serves; its state machine, pure
//! - [`timed`]: a value whose time counts from when it was seen, pure
//! - [`holding`]: what of its `hold` is in effect, pure
//! - [`mirroring`]: the same of its `mirror`
//! - [`keeping`]: the releases that visitors stay on after a flip, pure
//! - [`live`]: one announcement under probes
//! - [`app`]: one app as it runs
//! - [`drain`]: what requests may still be on
//! - [`task`]: the task itself; `hear`, `tell`: how it takes what the store says, and says what is new
//! - [`overview`]: what it shows
//! - [`report`]: what the store is told; `said`: of apps
//! - [`identity`], [`namesakes`]: who this process is; others under its proxy's name
//! - `pace`: how soon something is done again

pub mod app;
pub mod desired;
pub mod drain;
mod hear;
pub mod holding;
pub mod identity;
pub mod intake;
pub mod keeping;
pub mod live;
pub mod mirroring;
pub mod namesakes;
pub mod overview;
pub mod ownership;
mod pace;
pub mod report;
mod said;
pub mod served;
pub mod serving;
pub mod task;
mod tell;
pub mod timed;

pub use overview::Overview;
pub use task::{Control, ControlConfig};
