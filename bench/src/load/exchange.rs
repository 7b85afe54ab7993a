//! One HTTP/1.1 request and its answer, of which only what has to be known is read.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest read.
const PIECE: usize = 64 * 1024;

/// A connection that requests are sent on, one after the other.
#[derive(Debug)]
pub(crate) struct Exchange<S> {
    stream: S,
    /// The head of an answer, and what came with it.
    bytes: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<S> {
    pub(crate) fn on(stream: S) -> Self {
        Self { stream, bytes: Vec::with_capacity(PIECE) }
    }

    /// Sends `request` and reads the head of its answer, which is to have this status.
    pub(crate) async fn head(&mut self, request: &[u8], status: &str) -> io::Result<String> {
        self.stream.write_all(request).await?;
        self.bytes.clear();
        let end = loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.bytes[..end]).to_ascii_lowercase();
        self.bytes.drain(..end);
        match head.strip_prefix("http/1.1 ").is_some_and(|rest| rest.starts_with(status)) {
            true => Ok(head),
            false => Err(io::Error::other(head.lines().next().unwrap_or_default().to_owned())),
        }
    }

    /// Sends `request` and reads all of its answer, which has to be one of status 200 that says how
    /// long it is.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        let head = self.head(request, "200").await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|text| text.trim().parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
        self.skip(length).await
    }

    /// Reads `length` bytes that need not be kept.
    pub(crate) async fn skip(&mut self, mut length: usize) -> io::Result<()> {
        loop {
            let there = self.bytes.len().min(length);
            self.bytes.drain(..there);
            length -= there;
            if length == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// Reads until the server is done with the connection.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        match self.stream.read(&mut [0; 1]).await? {
            0 => Ok(()),
            _ => Err(io::Error::other("more than one answer")),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    async fn more(&mut self) -> io::Result<()> {
        self.bytes.reserve(PIECE);
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
