//! Everything that can go wrong with a request, in one place: its status, whose side it is on, and
//! what metrics call it.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::upstream::Break;
use crate::codec::Malformed;
use crate::metrics::meters::Fault;
use crate::route::Hold;

/// What the client is answered with for this `fault` of a target, where no answer has begun.
pub(super) fn status_of(fault: Fault) -> StatusCode {
    match fault {
        Fault::ConnectTimeout | Fault::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        Fault::Connect | Fault::Reset | Fault::Body | Fault::Protocol => StatusCode::BAD_GATEWAY,
    }
}

/// Why a request is not answered by its app.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The client's request breaks the protocol.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The app does not let this client in.
    #[error("client is not allowed")]
    Forbidden,
    /// The request is in the wrong place.
    #[error("redirected")]
    Redirect(HeaderValue),
    /// The request target is longer than allowed.
    #[error("request target is too long")]
    UriTooLong,
    /// The request head is larger than the app allows.
    #[error("request head is too large")]
    HeadTooLarge,
    /// The request body is larger than allowed.
    #[error("request body is too large")]
    BodyTooLarge,
    /// The proxy comes to its end, as a load balancer in front is told.
    #[error("the proxy is stopping")]
    Stopping,
    /// A request that must go no further (RFC 9110 7.6.2) and that this proxy has no answer to.
    #[error("no forwards are left")]
    NoForwards,
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
    /// None of the apps that are known has this host and path, and the store has not been read.
    #[error("no app for this host and path is known yet")]
    Unread,
    /// The app has no release that was proved healthy.
    #[error("no release is serving")]
    NoRelease,
    /// It shows a pass to a preview that is not good. The answer does not tell why.
    #[error("the pass is not good")]
    BadPass,
    /// It asks to see the release of a slot, and that is not proved.
    #[error("the release of this slot is not proved")]
    PreviewUnproved,
    /// It asks to see the release of a slot, and there is none.
    #[error("no release is in this slot")]
    PreviewEmpty,
    /// Every target has as many requests as it may, and the line is full or the wait was too long.
    #[error("every target has as many requests as it may")]
    Busy {
        /// Seconds after which trying again makes sense.
        retry_after: u64,
    },
    /// The app is held, and as many requests wait as may, or the time to wait is over.
    #[error("the app is held")]
    Held(Arc<Hold>),
    /// The app is in maintenance.
    #[error("the app is in maintenance")]
    Maintenance(Arc<Hold>),
    /// There is no descriptor for one more connection to a target.
    #[error("no room for one more connection to a target")]
    NoRoom,
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
        /// What ended it.
        source: Break,
    },
    /// What came was not HTTP/1.1, or can be read as two answers.
    #[error("{target} did not answer in HTTP/1.1")]
    Protocol {
        /// Where.
        target: String,
        /// What is wrong with it.
        source: Malformed,
    },
    /// It changed to a protocol that nobody asked for.
    #[error("{target} switched to a protocol that was not asked for")]
    Switched {
        /// Where.
        target: String,
    },
    /// It was asked for WebSocket by an extended CONNECT, and answered with something else that such a
    /// client would take for it.
    #[error("{target} did not switch to WebSocket")]
    Unswitched {
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
            Self::Forbidden | Self::BadPass => StatusCode::FORBIDDEN,
            Self::Redirect(_) => StatusCode::PERMANENT_REDIRECT,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoForwards => StatusCode::METHOD_NOT_ALLOWED,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownHost => StatusCode::NOT_FOUND,
            Self::Stopping
            | Self::Unread
            | Self::NoRelease
            | Self::PreviewUnproved
            | Self::PreviewEmpty
            | Self::NoRoom
            | Self::Busy { .. }
            | Self::Held(_)
            | Self::Maintenance(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable { .. }
            | Self::Reset { .. }
            | Self::Protocol { .. }
            | Self::Switched { .. }
            | Self::Unswitched { .. } => StatusCode::BAD_GATEWAY,
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
            Self::Protocol { .. } | Self::Switched { .. } | Self::Unswitched { .. } => {
                Some(Fault::Protocol)
            }
            Self::ResponseTimeout { .. } => Some(Fault::ResponseTimeout),
            Self::BadRequest(_)
            | Self::Forbidden
            | Self::Redirect(_)
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::Stopping
            | Self::NoForwards
            | Self::Connect
            | Self::RequestBody
            | Self::RequestTimeout
            | Self::UnknownHost
            | Self::Unread
            | Self::NoRelease
            | Self::BadPass
            | Self::PreviewUnproved
            | Self::PreviewEmpty
            | Self::NoRoom
            | Self::Busy { .. }
            | Self::Held(_)
            | Self::Maintenance(_) => None,
        }
    }

    /// What the client is told: enough to know whose fault it is, nothing of the machines behind.
    pub(super) fn public(&self) -> &str {
        match self {
            Self::Held(hold) => hold.message().unwrap_or("the app is not available just now"),
            Self::Maintenance(hold) => hold.message().unwrap_or("the app is in maintenance"),
            Self::BadRequest(what) => what,
            Self::Forbidden => "this address is not served here",
            Self::Redirect(_) => "it is elsewhere",
            Self::UriTooLong => "the request target is too long",
            Self::HeadTooLarge => "the request head is too large",
            Self::BodyTooLarge => "the request body is too large",
            Self::Stopping => "the server is stopping",
            Self::NoForwards => "TRACE is not supported",
            Self::Connect => "CONNECT is not supported",
            Self::RequestBody => "the request body broke off",
            Self::RequestTimeout => "the request body took too long",
            Self::UnknownHost => "nothing is served here",
            Self::Unread => "the server does not know yet what it serves",
            Self::NoRelease => "the app is not available",
            Self::BadPass => {
                "the pass to a preview is not good, or not any more: ask for another, or leave \
                 header and cookie away"
            }
            Self::PreviewUnproved => {
                "the release of this slot gets no requests before its health checks have passed"
            }
            Self::PreviewEmpty => "no release is in this slot",
            Self::NoRoom => "the server has too much to do just now",
            Self::Busy { .. } => "the app has too much to do just now",
            Self::Unreachable { .. } | Self::ConnectTimeout { .. } => "the app cannot be reached",
            Self::Reset { .. } => "the app broke off before answering",
            Self::Protocol { .. } | Self::Switched { .. } | Self::Unswitched { .. } => {
                "the app did not answer in HTTP"
            }
            Self::ResponseTimeout { .. } => "the app did not answer in time",
        }
    }

    /// What the access log calls it.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Forbidden => "forbidden",
            Self::Redirect(_) => "",
            Self::UriTooLong => "uri_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::Stopping => "stopping",
            Self::NoForwards => "no_forwards",
            Self::Connect => "connect_method",
            Self::RequestBody => "request_body",
            Self::RequestTimeout => "request_timeout",
            Self::UnknownHost => "unknown_host",
            Self::Unread => "unread",
            Self::NoRelease => "no_release",
            Self::BadPass => "bad_pass",
            Self::PreviewUnproved => "preview_unproved",
            Self::PreviewEmpty => "preview_empty",
            Self::NoRoom => "no_room",
            Self::Unreachable { .. } => Fault::Connect.as_str(),
            Self::ConnectTimeout { .. } => Fault::ConnectTimeout.as_str(),
            Self::Reset { .. } => Fault::Reset.as_str(),
            Self::Protocol { .. } | Self::Switched { .. } | Self::Unswitched { .. } => {
                Fault::Protocol.as_str()
            }
            Self::ResponseTimeout { .. } => Fault::ResponseTimeout.as_str(),
            Self::Busy { .. } => "busy",
            Self::Held(_) => "held",
            Self::Maintenance(_) => "maintenance",
        }
    }

    /// Seconds after which the client may try again, if it is told.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after } => Some(*retry_after),
            Self::Held(hold) | Self::Maintenance(hold) => Some(hold.retry_after()),
            // One request that ends is enough.
            Self::NoRoom => Some(1),
            _ => None,
        }
    }

    /// Whether the connection must end: what is left of the request on it cannot be told from the
    /// next one, or is not worth reading.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::RequestBody | Self::RequestTimeout | Self::BodyTooLarge | Self::BadRequest(_)
        )
    }
}
