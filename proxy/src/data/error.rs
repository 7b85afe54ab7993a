//! Everything that can go wrong with a request, in one place: its status, whose side it is on, and
//! what metrics call it.

use std::io;

use http::StatusCode;

use crate::metrics::meters::Fault;

/// Why a request is not answered by its app.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The client's request breaks the protocol.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// A method that a reverse proxy does not take (RFC 9110 9.3.6).
    #[error("method CONNECT is for forward proxies")]
    Connect,
    /// The client's body stopped or was malformed.
    #[error("request body broke off")]
    RequestBody,
    /// The client's body took too long.
    #[error("request body did not move for too long")]
    RequestTimeout,
    /// No app has this host and path. The answer names none that has.
    #[error("no app for this host and path")]
    UnknownHost,
    /// The app has no release that was proved healthy.
    #[error("no release is serving")]
    NoRelease,
    /// No connection to the target.
    #[error("cannot connect to {target}")]
    Unreachable {
        /// Where.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// No connection in time.
    #[error("cannot connect to {target} in time")]
    ConnectTimeout {
        /// Where.
        target: String,
    },
    /// The connection broke off before the response head.
    #[error("{target} broke off before its answer began")]
    Reset {
        /// Where.
        target: String,
        /// What hyper said.
        source: hyper::Error,
    },
    /// What came was not HTTP/1.1.
    #[error("{target} did not answer in HTTP/1.1")]
    Protocol {
        /// Where.
        target: String,
        /// What hyper said.
        source: hyper::Error,
    },
    /// It changed to a protocol that nobody asked for.
    #[error("{target} switched to a protocol that was not asked for")]
    Switched {
        /// Where.
        target: String,
    },
    /// No response head in time.
    #[error("{target} did not answer in time")]
    ResponseTimeout {
        /// Where.
        target: String,
    },
}

impl ProxyError {
    /// The status the client is answered with. No catch-all: a new error must choose.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownHost => StatusCode::NOT_FOUND,
            Self::NoRelease => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable { .. }
            | Self::Reset { .. }
            | Self::Protocol { .. }
            | Self::Switched { .. } => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout { .. } | Self::ResponseTimeout { .. } => {
                StatusCode::GATEWAY_TIMEOUT
            }
        }
    }

    /// What metrics call it, if it is the target's fault.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Unreachable { .. } => Some(Fault::Connect),
            Self::ConnectTimeout { .. } => Some(Fault::ConnectTimeout),
            Self::Reset { .. } => Some(Fault::Reset),
            Self::Protocol { .. } | Self::Switched { .. } => Some(Fault::Protocol),
            Self::ResponseTimeout { .. } => Some(Fault::ResponseTimeout),
            Self::BadRequest(_)
            | Self::Connect
            | Self::RequestBody
            | Self::RequestTimeout
            | Self::UnknownHost
            | Self::NoRelease => None,
        }
    }

    /// What the client is told: enough to know whose fault it is, nothing of the machines behind.
    pub(super) fn public(&self) -> &'static str {
        match self {
            Self::BadRequest(what) => what,
            Self::Connect => "CONNECT is not supported",
            Self::RequestBody => "the request body broke off",
            Self::RequestTimeout => "the request body took too long",
            Self::UnknownHost => "nothing is served here",
            Self::NoRelease => "the app is not available",
            Self::Unreachable { .. } | Self::ConnectTimeout { .. } => "the app cannot be reached",
            Self::Reset { .. } => "the app broke off before answering",
            Self::Protocol { .. } | Self::Switched { .. } => "the app did not answer in HTTP",
            Self::ResponseTimeout { .. } => "the app did not answer in time",
        }
    }

    /// Whether the connection must end: what is left of the request on it cannot be told from the
    /// next one, or is not worth reading.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::RequestBody | Self::RequestTimeout | Self::BadRequest(_))
    }
}
