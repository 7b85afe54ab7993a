//! WebSocket, as far as an intermediary must know it (RFC 6455): where its frames begin and end, so
//! that a tunnel can be closed in words that both ends understand.
//!
//! # Layout
//!
//! - [`header`]: the header of one frame
//! - [`tracker`]: where in the frames one direction of a tunnel is
//! - [`handshake`]: what proves that a server means it
//! - [`close`]: the frame that ends a tunnel

pub mod close;
pub mod handshake;
pub mod header;
pub mod tracker;

pub use close::{GOING_AWAY, close_frame};
pub use tracker::{Position, Tracker};

/// Who sends the frames: a client masks all of them and a server none (RFC 6455 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}
