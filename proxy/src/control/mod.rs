//! The control plane.
pub mod desired;
pub mod intake;
pub mod ownership;
pub mod serving;
