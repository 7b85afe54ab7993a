//! Real parts for the end-to-end tests: etcd, a Docker engine, a registry, and our own programs as
//! processes.
//!
//! Everything here fails the test it is used in by a panic that says what was waited for and shows
//! the logs of the parts involved, and everything that is started goes with its handle.

// A part that does not do what the test needs is a failure of the test: that is what a panic says.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stderr)]

pub mod ask;
pub mod authority;
pub mod cache;
pub mod engine;
pub mod etcd;
pub mod image;
pub mod port;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod registry;
pub mod relay;
pub mod scratch;
pub mod shuntctl;
pub mod sshd;
pub mod store;
pub mod wait;

pub use authority::Authority;
pub use engine::Engine;
pub use etcd::Etcd;
pub use port::Port;
pub use process::Process;
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use registry::Registry;
pub use relay::Relay;
pub use scratch::Scratch;
pub use shuntctl::{shuntctl, shuntctl_with, start_shuntctl, start_shuntctl_with};
pub use sshd::{SshUser, Sshd};
pub use store::Store;
pub use wait::until;
