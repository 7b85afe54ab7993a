//! A connection to a target, driven by whoever uses it.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use shunt_config::Address;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::body::RequestBody;
use super::client::Client;
use super::gather;
use crate::route::Target;

/// A connection to a target. Both halves are in one place: the task that waits for the answer also
/// moves the bytes, so there is no second task to wake.
#[derive(Debug)]
pub(super) struct Upstream {
    sender: SendRequest<RequestBody>,
    /// `None` once it is over. It is dropped then: what hyper has queued on it is handed back only
    /// by its end, and a request sent to one that closed while it was idle would wait for ever.
    connection: Option<Connection<TokioIo<Stream>, RequestBody>>,
}

/// Why a request got no response head.
#[derive(Debug)]
pub(super) enum SendFailed {
    /// Nothing of it was sent; here it is back.
    Unsent(Box<Request<RequestBody>>),
    /// It was sent, in part at least, and the connection failed.
    Broken(hyper::Error),
    /// The time for it is over.
    Overdue,
}

impl Upstream {
    /// Connects to `target`, trying each of its addresses in turn.
    pub(super) async fn connect(target: &Target) -> io::Result<Box<Self>> {
        let stream = match &target.address {
            Address::Unix(path) => Stream::unix(path).await?,
            Address::Tcp { .. } => Stream::tcp(target).await?,
        };
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Box::new(Self { sender, connection: Some(connection) }))
    }

    /// Moves bytes in both directions as far as they go without waiting.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }

    /// Whether it can take a request. An end of stream that has arrived is seen here.
    pub(super) fn is_alive(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Sends `request` and waits for the response head, as long as `client` may wait.
    ///
    /// # Cancel safety
    ///
    /// Cancelling closes the connection.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        client: &Client,
    ) -> Result<Response<Incoming>, SendFailed> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            drive(&mut self.connection, cx);
            match answer.as_mut().poll(cx) {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(failed)) => Poll::Ready(Err(SendFailed::from(failed))),
                Poll::Pending if client.is_overdue() => Poll::Ready(Err(SendFailed::Overdue)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Goes on in a task of its own until both messages are over. For when nobody is sure to poll
    /// the response body while the request body still runs.
    pub(super) fn detach(self: Box<Self>) {
        let Self { sender, connection } = *self;
        if let Some(connection) = connection {
            tokio::task::spawn_local(async move {
                // The error, if any, reaches whoever reads the body.
                let _ = connection.await;
                drop(sender);
            });
        }
    }
}

/// Polls a connection that is not over yet. How it ends reaches whoever waits for the answer or its
/// body.
fn drive(connection: &mut Option<Connection<TokioIo<Stream>, RequestBody>>, cx: &mut Context<'_>) {
    if connection.as_mut().is_some_and(|open| Pin::new(open).poll(cx).is_ready()) {
        *connection = None;
    }
}

impl From<TrySendError<Request<RequestBody>>> for SendFailed {
    fn from(mut failed: TrySendError<Request<RequestBody>>) -> Self {
        match failed.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Broken(failed.into_error()),
        }
    }
}

/// A socket of either family.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn tcp(target: &Target) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "name is not resolved");
        for address in target.addresses().iter() {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // A request head must not wait for the ACK of the one before.
                    stream.set_nodelay(true)?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => gather::poll_write(Pin::new(stream), cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
