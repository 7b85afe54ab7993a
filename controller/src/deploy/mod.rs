//! A deploy: one list of steps drives a run, its repair and the way back.

mod after;
mod back;
mod before;
mod end;
mod pause;
mod plan;
mod recover;
mod run;
mod trouble;

pub use plan::{Job, Plan, what};
pub use recover::recover;
pub use run::Run;
