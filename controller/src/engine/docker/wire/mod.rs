//! Connections to engines on other machines.
//!
//! HTTP and the reuse of connections are hyper's client's, the calls bollard's; here is only what
//! their bytes go through.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker as Client};
use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use super::TIMEOUT;
use crate::engine::CONNECT;

pub(super) mod ssh;
pub(super) mod tls;

/// What makes connections to one engine.
pub(super) trait Connect: Clone + Send + Sync + 'static {
    /// Makes one.
    fn connect(self) -> impl Future<Output = io::Result<Wire>> + Send;
}

/// A client whose connections `connector` makes.
pub(super) fn over(connector: impl Connect) -> Result<Client, Error> {
    let client = legacy::Client::builder(TokioExecutor::new()).build(Connector(connector));
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async { Ok(answer.await?) }
    };
    // The connector knows where it goes; a name has to stand there for HTTP's sake.
    Client::connect_with_custom_transport(
        transport,
        Some("http://docker"),
        TIMEOUT,
        API_DEFAULT_VERSION,
    )
}

/// A [`Connect`] as hyper's client wants it.
#[derive(Clone)]
struct Connector<C>(C);

impl<C: Connect> Service<Uri> for Connector<C> {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connected = self.0.clone().connect();
        Box::pin(async { Ok(TokioIo::new(connected.await?)) })
    }
}

/// What a connection's bytes go through.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection to an engine.
pub(super) struct Wire(Box<dyn Bytes>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
