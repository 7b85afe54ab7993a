//! What a line tells.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::{HOST, REFERER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version, request};

/// What is kept of a request head until its answer is over. Nothing is copied: each part shares the
/// bytes that were read. For HTTP/2, whose heads have no `Host`, a short text is.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(super) method: Method,
    pub(super) target: Option<PathAndQuery>,
    pub(super) host: Option<HeaderValue>,
    pub(super) version: Version,
    pub(super) agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
}

impl Asked {
    /// What is kept of `head`, as it came.
    pub fn of(head: &request::Parts) -> Self {
        let host = head.headers.get(HOST).cloned();
        let authority = || HeaderValue::from_str(head.uri.authority()?.as_str()).ok();
        Self {
            method: head.method.clone(),
            target: head.uri.path_and_query().cloned(),
            host: host.or_else(authority),
            version: head.version,
            agent: head.headers.get(USER_AGENT).cloned(),
            referer: head.headers.get(REFERER).cloned(),
        }
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }
}

/// One request and its answer. An empty text stands for something that there was not.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// What was asked for.
    pub asked: &'a Asked,
    /// When its head was there.
    pub began: Instant,
    /// Who asked: [`crate::data::forwarded::Client::address`].
    pub client: IpAddr,
    /// The version of TLS, such as `TLSv1.3`.
    pub tls: &'static str,
    /// The status of the answer; 0 if the client left before it began.
    pub status: u16,
    /// Bytes of the request body, or the tunnel, that came from the client.
    pub received: u64,
    /// Bytes of the answer's body, or the tunnel, that went to the client.
    pub sent: u64,
    /// The app.
    pub app: &'a str,
    /// The slot.
    pub slot: &'a str,
    /// The release: its version, or its token.
    pub release: &'a str,
    /// The target that answered, or was tried last.
    pub target: &'a str,
    /// Times it was sent again.
    pub retries: u8,
    /// What went wrong.
    pub error: &'a str,
    /// The request's id.
    pub request_id: &'a [u8],
    /// From the head to a connection to the target; `None` if a kept one was used.
    pub connect: Option<Duration>,
    /// From the head to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the head to the end of both bodies.
    pub total: Duration,
}
