//! A small web application to deploy, and the load to put it under while it is deployed.
//!
//! - [`app`]: the application; `shunt-demo-app` runs it as a program, tests run it in their process
//! - [`load`]: clients that never retry and check every answer byte by byte
//! - [`pattern`]: the bodies both sides know without sending them first

pub mod app;
pub mod load;
pub mod pattern;
