//! The reverse proxy as a library; `shunt-proxy` is a thin program over it.
//!
//! # Layout
//!
//! - [`cli`], [`run`](mod@run): the command line, and one proxy from its start to its end
//! - [`check`]: what would end it on this machine
//! - [`control`]: what the store asks for, and what of it is served
//! - [`health`]: whether targets can answer
//! - [`saved`]: the last good state on disk
//! - [`route`]: where a request goes: the snapshot, epochs and claims
//! - [`reach`]: how targets are reached: connections, PROXY header, TLS
//! - [`data`]: the data threads and the walk of a request
//! - [`codec`]: HTTP/1.1 as it is spoken to targets
//! - [`websocket`]: where frames begin and end
//! - [`proxy_protocol`]: who the client of a balancer in front is, and telling targets
//! - [`tls`]: certificates, and TLS towards clients and targets
//! - [`access_log`]: a line per request
//! - [`log`]: what the program says of itself
//! - [`pages`]: answers of the proxy's own
//! - [`metrics`]: what is counted
//! - [`admin`]: where all that is shown

pub mod access_log;
pub mod admin;
pub mod check;
pub mod cli;
pub mod codec;
pub mod control;
pub mod data;
mod descriptors;
mod doors;
mod files;
mod gather;
pub mod health;
pub mod log;
pub mod metrics;
pub mod pages;
pub mod proxy_protocol;
pub mod reach;
pub mod route;
pub mod run;
pub mod saved;
mod signals;
pub mod tls;
pub mod websocket;
