//! HTTP/1.1 on one client connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::client::{Admitted, Client};
use super::gather;
use super::local::Local;
use super::request;

/// What every request of a connection needs to know of it; made once.
#[derive(Debug)]
pub(super) struct Peer {
    /// The thread's own state.
    pub(super) local: Rc<Local>,
    /// The connection.
    pub(super) client: Rc<Client>,
    /// The client's address as `X-Forwarded-For` wants it.
    pub(super) forwarded_for: HeaderValue,
}

/// Serves `stream` in a task of its own.
pub(super) fn spawn(local: &Rc<Local>, stream: TcpStream, peer: SocketAddr) {
    let admitted = local.clients.admit(peer);
    tokio::task::spawn_local(serve(Rc::clone(local), stream, admitted));
}

async fn serve(local: Rc<Local>, stream: TcpStream, admitted: Admitted) {
    let client = Rc::clone(&admitted.client);
    let address = client.peer.ip().to_canonical().to_string();
    let peer = Rc::new(Peer {
        local: Rc::clone(&local),
        client: Rc::clone(&client),
        // An IP address is always a valid header value.
        forwarded_for: HeaderValue::try_from(address)
            .unwrap_or(HeaderValue::from_static("unknown")),
    });
    let io = TokioIo::new(ClientIo { stream, client: Rc::clone(&client) });
    let service = service_fn(|request| request::handle(Rc::clone(&peer), request));
    let mut connection = pin!(
        http1::Builder::new()
            // Both stages before a request have deadlines of their own: see `client`.
            .header_read_timeout(None)
            .serve_connection(io, service)
    );
    let mut leaving = false;
    std::future::poll_fn(|cx| {
        client.remember(cx.waker());
        if local.is_leaving() && !leaving {
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
        if client.is_idle_overdue() {
            return Poll::Ready(());
        }
        // Who ends a connection, and why, is the client's affair; what goes wrong with a request
        // was counted and answered where it went wrong.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // The request had its chance to answer for itself in the poll above. What is overdue even
        // so is an answer that the client does not take.
        if client.is_overdue() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The client's socket, telling [`Client`] when a request begins.
#[derive(Debug)]
struct ClientIo {
    stream: TcpStream,
    client: Rc<Client>,
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.client.head_began();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.client.took();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(gather::poll_write(Pin::new(&mut self.stream), cx, bufs))?;
        self.client.took();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
