//! The reverse proxy as a library; `shunt-proxy` is a thin program over it.
//!
//! # Layout
//!
//! - [`route`]: where a request goes: the snapshot, epochs and claims
//! - [`data`]: the data threads and the walk of a request
//! - [`metrics`]: what is counted

pub mod data;
pub mod metrics;
pub mod route;
