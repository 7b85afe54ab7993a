//! A plain HTTP client: one request, one connection, no second try.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header lines.
    pub headers: HeaderMap,
    /// Its body as text.
    pub body: String,
}

impl Answer {
    /// The release that the demo app says it is, or the status where it says none.
    pub fn release(&self) -> String {
        match self.headers.get(demo::app::RELEASE) {
            Some(release) => String::from_utf8_lossy(release.as_bytes()).into_owned(),
            None => self.status.to_string(),
        }
    }

    /// Its body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// GET of `path` from the server at `address`, for `host`.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Result<Answer, String> {
    let request = Request::get(path).header("host", host).header("connection", "close");
    send(address, request.body(Full::default()).map_err(|e| e.to_string())?).await
}

/// Sends any request.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let exchange = async { Kept::to(address).await?.send(request).await };
    let limit = crate::wait::PATIENCE;
    tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

/// A connection that is kept for one request after the other.
#[derive(Debug)]
pub struct Kept(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Kept {
    /// A connection to the server at `address`.
    pub async fn to(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        Ok(Self(requests))
    }

    /// Sends any request.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        self.0.ready().await.map_err(|e| e.to_string())?;
        let answer = self.0.send_request(request).await.map_err(|e| e.to_string())?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}
