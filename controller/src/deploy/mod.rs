//! A deploy: one list of steps drives a run, its repair and the way back.

mod after;
mod announce;
mod back;
mod bake;
mod canary;
mod check;
mod close;
mod end;
mod exposure;
mod hold;
mod hooks;
mod host;
mod lives;
mod pause;
mod plan;
mod pull;
mod recover;
mod run;
mod sessions;
mod start;
mod stop;
mod trouble;
mod units;
mod warm_up;
mod workers;

pub use host::Host;
pub use plan::{Job, Plan, what};
pub use recover::recover;
pub use run::Run;
