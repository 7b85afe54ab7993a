//! The reverse proxy as a library; `shunt-proxy` is a thin program over it.
//!
//! # Layout
//!
//! - [`route`]: where a request goes: the snapshot, epochs and claims
//! - [`metrics`]: what is counted

pub mod metrics;
pub mod route;
