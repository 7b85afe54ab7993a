//! A client's bytes: the socket, TLS on it, what was read of it before it was known what is spoken on it, and
//! the word to [`Client`] that something has moved.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::client::Client;
use super::frame_watch::FrameWatch;
use super::frames::Abuse;
use crate::gather;

/// As much of the first bytes as is read before the protocol is known: a usual request head.
const FIRST: usize = 4096;

thread_local! {
    /// Where first bytes are read to, so that no connection needs room for it.
    static SCRATCH: RefCell<[u8; FIRST]> = const { RefCell::new([0; FIRST]) };
}

/// A client's socket, with or without TLS on it.
#[derive(Debug)]
pub(super) enum Stream {
    /// In the clear.
    Tcp(TcpStream),
    /// The handshake is over.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($stream:expr, $pinned:ident => $call:expr) => {
        match $stream {
            Stream::Tcp(stream) => {
                let $pinned = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $pinned = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buf))
    }
}

/// A client's bytes.
#[derive(Debug)]
pub(super) struct Transport {
    stream: Stream,
    client: Rc<Client>,
    /// Read already, and not yet handed on.
    ahead: Vec<u8>,
    /// Who looks at the frames of HTTP/2.
    watch: Option<Box<FrameWatch>>,
}

impl Transport {
    /// `stream`, of which nothing was read yet.
    pub(super) fn new(stream: Stream, client: Rc<Client>) -> Self {
        if matches!(stream, Stream::Tls(_)) {
            client.set_encrypted();
        }
        Self { stream, client, ahead: Vec::new(), watch: None }
    }

    /// Lets `watch` look at what is handed on from now on.
    pub(super) fn watch(&mut self, watch: FrameWatch) {
        self.watch = Some(Box::new(watch));
    }

    /// Gives back what was read and handed on.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.ahead.extend_from_slice(bytes);
    }

    /// Says that nothing more is sent, where the end of the connection does not say so itself.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stream {
            Stream::Tcp(_) => Poll::Ready(()),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx).map(|_| ()),
        }
    }

    /// What was read and not handed on.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads some more of the first bytes and keeps them; `false` at the end of the stream.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Self { stream, client, ahead, .. } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(stream.poll_read(cx, &mut buf))?;
            if !buf.filled().is_empty() {
                client.head_began();
            }
            ahead.extend_from_slice(buf.filled());
            Poll::Ready(Ok(!buf.filled().is_empty()))
        })
    }

    /// Lets the watch look at `bytes`, which are handed on.
    fn look(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let looked = self.watch.as_mut().map_or(Ok(()), |watch| watch.look(bytes));
        looked.map_err(|abuse| self.end(cx, abuse))
    }

    /// The error that ends the connection for `abuse`. The client is told why, unless it takes nothing
    /// just now: nobody waits for one that is to go.
    fn end(&mut self, cx: &mut Context<'_>, abuse: Abuse) -> io::Error {
        let farewell = self.watch.as_ref().and_then(|watch| watch.farewell(abuse));
        if let Some(frame) = farewell
            && either!(&mut self.stream, stream => stream.poll_write(cx, &frame)).is_ready()
        {
            // The frame goes out with it; a socket that is not ready for it is closed all the same.
            let _ = either!(&mut self.stream, stream => stream.poll_shutdown(cx));
        }
        io::Error::new(io::ErrorKind::InvalidData, abuse)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let mut ahead = std::mem::take(&mut self.ahead);
            let taken = ahead.len().min(buf.remaining());
            buf.put_slice(&ahead[..taken]);
            let looked = self.look(cx, &ahead[..taken]);
            // Mostly all of it: the room is not needed a second time.
            if taken < ahead.len() {
                ahead.drain(..taken);
                self.ahead = ahead;
            }
            return Poll::Ready(looked);
        }
        let before = buf.filled().len();
        if self.stream.poll_read(cx, buf)?.is_pending() {
            let late = self.watch.as_ref().and_then(|watch| watch.late());
            return late.map_or(Poll::Pending, |abuse| Poll::Ready(Err(self.end(cx, abuse))));
        }
        if buf.filled().len() > before {
            self.client.head_began();
        }
        Poll::Ready(self.look(cx, &buf.filled()[before..]))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = either!(&mut self.stream, stream => stream.poll_write(cx, buf));
        self.client.set_blocked(written.is_pending());
        let written = ready!(written)?;
        self.client.took();
        if let Some(watch) = &mut self.watch {
            watch.wrote(&buf[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = either!(&mut self.stream, stream => gather::poll_write(stream, cx, bufs));
        self.client.set_blocked(written.is_pending());
        let written = ready!(written)?;
        self.client.took();
        if let Some(watch) = &mut self.watch {
            let mut left = written;
            for buf in bufs {
                let taken = buf.len().min(left);
                watch.wrote(&buf[..taken]);
                left -= taken;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = either!(&mut self.stream, stream => stream.poll_flush(cx));
        self.client.set_blocked(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.stream, stream => stream.poll_shutdown(cx))
    }
}
