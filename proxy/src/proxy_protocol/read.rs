//! Exactly the header from a socket.

use std::io;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Header, Invalid, MAX_LENGTH, Parsed, parse};

/// What nearly every header fits into; longer ones go on the heap.
const USUAL: usize = 512;

/// Why there is no header.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The connection is over before its first byte: somebody looked whether the port is open.
    #[error("closed before the first byte")]
    Nothing,
    /// The connection is over within the header.
    #[error("closed within the PROXY protocol header")]
    Closed,
    /// What came is no header.
    #[error("no PROXY protocol header: {0}")]
    Invalid(#[from] Invalid),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the header that `stream` begins with, and not one byte of what follows it: that can be
/// read from `stream` as if there had been no header.
///
/// It waits for as long as the header is incomplete: the caller sets the limit.
///
/// # Cancel safety
///
/// Not cancel safe: what was read is lost, and with it the connection.
pub async fn read(stream: &mut TcpStream) -> Result<Header, ReadError> {
    let mut small = [0; USUAL];
    let mut large;
    let mut buffer = &mut small[..];
    let mut taken = 0;
    loop {
        if taken == buffer.len() {
            // The longest header fits, so this happens once.
            large = buffer.to_vec();
            large.resize(MAX_LENGTH, 0);
            buffer = &mut large;
        }
        let seen = stream.peek(&mut buffer[taken..]).await?;
        if seen == 0 {
            return Err(if taken == 0 { ReadError::Nothing } else { ReadError::Closed });
        }
        let parsed = parse(&buffer[..taken + seen]);
        // Of an incomplete header every byte belongs to it: taking them lets the next look wait.
        let end = match parsed {
            Parsed::Incomplete => taken + seen,
            Parsed::Complete(_, length) => length,
            Parsed::Invalid(invalid) => return Err(invalid.into()),
        };
        stream.read_exact(&mut buffer[taken..end]).await?;
        taken = end;
        if let Parsed::Complete(header, _) = parsed {
            return Ok(header);
        }
    }
}
