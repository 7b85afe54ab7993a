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
mod job;
mod lives;
mod mirror;
mod pause;
mod plan;
mod pull;
mod recover;
mod run;
mod sessions;
mod settings;
mod start;
mod stop;
mod trial;
mod trouble;
mod units;
mod warm_up;
mod words;
mod workers;

pub use host::Host;
pub use job::Job;
pub use plan::Plan;
pub use recover::recover;
pub use run::Run;
pub use words::what;
