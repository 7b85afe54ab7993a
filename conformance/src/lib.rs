//! Raw bytes in, raw bytes out: what a reverse proxy has to do with them, case by case.
//!
//! A [`case`] says what a client sends and a target answers, and what either must get of it. Beside
//! that, every message that comes out of a proxy on either side is read strictly: one framing, one
//! `Host`, no line end or control byte where another parser could see another message.
//!
//! Nothing is timed. That nothing more comes is shown by the end of the connection, or by the answer
//! to one more request on it; a time limit only ends the wait for what must come.
//!
//! For tests only: what goes wrong here ends the test, with words.

// A panic is how a test fails; each says what was waited for.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod case;
pub mod cases;
pub mod peer;
pub mod report;
pub mod run;
pub mod suite;

mod chunked;
mod expect;
mod h2;
mod message;
mod outcome;
mod record;
mod request;
mod response;
mod target;

pub use case::Case;
pub use peer::Peer;
