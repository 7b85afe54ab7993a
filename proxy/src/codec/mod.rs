//! HTTP/1.1 as it is spoken to targets (RFC 9112): messages to bytes and bytes to messages, without I/O.
//!
//! - [`request`]: how a request is written
//! - [`head`]: the head of an answer
//! - [`framing`]: where the body of an answer ends
//! - [`body`]: its pieces
//! - [`chunks`]: its pieces, when it comes in chunks

pub mod body;
pub mod chunks;
pub mod framing;
pub mod head;
pub mod request;

/// Why what a target sends is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The head breaks the grammar.
    #[error("the head of its answer is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// A field that has passed as a part of the head, or a status below 100.
    #[error("the head of its answer has an impossible {0}")]
    Part(&'static str),
    /// The head has no end within [`head::MOST`] bytes.
    #[error("the head of its answer is larger than 64 KiB")]
    Large,
    /// `Transfer-Encoding` is not `chunked` alone, or something that HTTP/1.0 does not have.
    #[error("its answer is coded for the transfer in a way that others may read differently")]
    Coding,
    /// `Content-Length` is no number, several different ones, or there although the answer is chunked.
    #[error("the length of its answer is not clear")]
    Length,
    /// Where a chunk begins and ends is not clear.
    #[error("the chunks of its answer are malformed")]
    Chunk,
    /// The fields behind the last chunk are none, or too many.
    #[error("the trailers of its answer are malformed")]
    Trailers,
}
