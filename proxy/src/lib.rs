//! The reverse proxy as a library; `shunt-proxy` is a thin program over it.
//!
//! # Layout
//!
//! - [`control`]: what the store asks for, and what of it is served
//! - [`health`]: whether targets can answer
//! - [`route`]: where a request goes: the snapshot, epochs and claims
//! - [`data`]: the data threads: clients' requests to targets and back
//! - [`metrics`]: what is counted

pub mod control;
pub mod data;
pub mod health;
pub mod metrics;
pub mod route;
