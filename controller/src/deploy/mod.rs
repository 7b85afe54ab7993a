//! A deploy: one list of steps drives a run, its repair and the way back.

mod after;
mod announce;
mod back;
mod canary;
mod check;
mod close;
mod end;
mod exposure;
mod pause;
mod plan;
mod recover;
mod run;
mod start;
mod trouble;

pub use plan::{Job, Plan, what};
pub use recover::recover;
pub use run::Run;
