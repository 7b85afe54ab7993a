//! Answers of the proxy's own.

use std::error::Error;

use bytes::Bytes;
use http::header::{CONNECTION, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use super::connection::Peer;
use super::error::ProxyError;
use super::headers::X_REQUEST_ID;
use super::trail::Trail;
use crate::pages::Told;

/// The answer to a request that no app answers.
pub(super) fn error(error: &ProxyError, trail: &Trail, peer: &Peer) -> Response<ResponseBody> {
    if error.fault().is_some() {
        peer.local.complain(|| {
            let cause = error.source().map(ToString::to_string);
            let id = trail.id.as_ref().map(|id| id.as_bytes().escape_ascii());
            let request_id = id.map(tracing::field::display);
            tracing::warn!(%error, cause, request_id, "request failed");
        });
    }
    let mut response = match error {
        ProxyError::Redirect(location) => redirect(location, trail.id.as_ref()),
        _ => page(error, trail, peer),
    };
    let headers = response.headers_mut();
    if let Some(front) = &trail.front {
        front.change_response(headers, peer.is_secure());
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.ends_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|text| ResponseBody::own(text, &peer.client))
}

fn page(error: &ProxyError, trail: &Trail, peer: &Peer) -> Response<Bytes> {
    let told = Told {
        status: error.status(),
        maintenance: matches!(error, ProxyError::Maintenance(_)),
        message: error.public(),
        app: trail.app(),
        request_id: trail.id.as_ref(),
    };
    let mut response = peer.local.pages.load().answer(&told, &trail.wanted);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Of the order of a deploy; whoever comes back sooner finds the same.
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

fn redirect(location: &HeaderValue, id: Option<&HeaderValue>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(LOCATION, location.clone());
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id.clone());
    }
    response
}
