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
//! - [`room`], `per_address`: how many client connections there may be, and of one address
//! - [`door`]: one listener as its connections see it
//! - `clients`, `client`: all connections of a thread; one of them, its stage and its deadline
//! - `deadline`: until when something may go on, without a timer for each
//! - `transport`: a client's bytes
//! - `connection`: from the first byte to the protocol spoken, and rest between requests; `welcome`:
//!   what comes before
//! - `http1`, `http2`: that protocol; `wire`, `gathered`: what hyper has of a connection
//! - [`frames`]: what bounds the frames of HTTP/2; `framing`: where they begin; `frame_watch`: who looks
//! - `request`: the walk of one request
//! - `local`: what a thread keeps: its view of the snapshot, its clients, leases
//! - `preview`: requests that ask to see the release of a slot; `caches`: what caches are told of it
//! - `met`: the epochs and announcements a thread has met
//! - `mirror`: copies of requests for a release that gets none
//! - `balance`: which target of the release
//! - `exchange`: a request that has claimed a release
//! - `expect`: `100 Continue`, end to end
//! - `strict`: what hyper lets pass and a proxy must not
//! - `headers`: what is added and what is taken off; `hop`: what was only for one connection
//! - [`forwarded`]: who a request comes from
//! - `forward`: to a target and back, again where nobody can have acted on it
//! - [`rules`]: what every app may have in front of it
//! - `upstream`, `pool`: connections to targets
//! - `body`: both bodies
//! - `upgrade`: what may be switched to after `101 Switching Protocols`, and the switch
//! - `extended`: the same asked for over HTTP/2
//! - [`tunnel`]: bytes both ways after it; `tunnels`: when each is to end
//! - `trail`: what is kept of a request for its error and for the access log
//! - `error`: everything that can go wrong, its status and its side
//! - `respond`: answers of the proxy's own
//! - [`measured`]: steps of this walk for `benches/`

mod balance;
mod body;
mod caches;
mod client;
mod clients;
mod clock;
mod connection;
mod deadline;
pub mod door;
mod error;
mod exchange;
mod expect;
mod extended;
mod forward;
pub mod forwarded;
mod frame_watch;
pub mod frames;
mod framing;
mod gathered;
mod headers;
mod hop;
mod host;
mod http1;
mod http2;
pub mod listener;
mod local;
#[doc(hidden)]
pub mod measured;
mod met;
mod mirror;
mod per_address;
pub mod plane;
mod pool;
mod preview;
mod request;
mod respond;
pub mod room;
pub mod rules;
mod strict;
mod trail;
mod transport;
pub mod tunnel;
mod tunnels;
mod upgrade;
mod upstream;
mod welcome;
mod wire;
mod worker;

pub(crate) use balance::hash;
pub use door::Door;
pub use listener::Listener;
pub use plane::{ClientLimits, Plane, PlaneConfig};
pub use room::Room;
