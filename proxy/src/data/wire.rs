//! A client's bytes as hyper has them on HTTP/1.1: all of them, but not the end of the connection. What
//! comes after hyper is done is for [`connection`](super::connection) to say: the connection may rest, or
//! become a tunnel, and where it ends, closing it is enough.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use super::transport::Transport;

/// A client's bytes without their end.
#[derive(Debug)]
pub(super) struct Wire(TokioIo<Transport>);

impl Wire {
    /// All of `io` but its end.
    pub(super) fn new(io: Transport) -> Self {
        Self(TokioIo::new(io))
    }

    /// The whole again.
    pub(super) fn into_inner(self) -> Transport {
        self.0.into_inner()
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Transport>> {
        Pin::new(&mut self.get_mut().0)
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
