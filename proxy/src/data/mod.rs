//! The data plane: one thread per core, each with a runtime, connections and pools of its own.
//!
//! A request never leaves its thread, and as a rule never leaves its client's task: the task that
//! reads the request also writes it to the target, reads the answer and writes that to the client.
//! Nothing on that way takes a lock or waits for another thread.
//!
//! # Layout, in the order of a request
//!
//! - [`listener`]: sockets bound, one set for the whole life of the process
//! - [`plane`]: the threads, and how they end
//! - `worker`: one thread: accept, tick, sweep
//! - `client`: one client connection: its stage and its deadline
//! - `connection`: HTTP/1.1 on it
//! - `request`: the walk of one request
//! - `local`: what a thread keeps: its view of the snapshot, epochs, leases, pools
//! - `exchange`: a request that has claimed a release
//! - `headers`: what is added and what is taken off
//! - [`forwarded`]: who a request comes from
//! - `forward`: to a target and back, with at most one retry
//! - [`rules`]: what every app needs in front of it
//! - `upstream`, `pool`: connections to targets
//! - `body`: both bodies
//! - [`tunnel`]: what becomes of a connection after an upgrade
//! - `gather`: writes of several buffers
//! - `error`: everything that can go wrong, its status and its side
//! - `respond`: answers of the proxy's own

mod body;
mod client;
mod clock;
mod connection;
mod error;
mod exchange;
mod forward;
pub mod forwarded;
mod gather;
mod headers;
mod host;
pub mod listener;
mod local;
pub mod plane;
mod pool;
mod request;
mod respond;
pub mod rules;
pub mod tunnel;
mod upstream;
mod worker;

pub use listener::Listener;
pub use plane::{ClientLimits, Plane, PlaneConfig};
