//! Answers of the proxy's own.

use std::error::Error;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::body::ResponseBody;
use super::client::Client;
use super::error::ProxyError;
use super::headers::X_REQUEST_ID;
use super::local::Local;

/// The answer to a request that no app answers.
pub(super) fn error(
    error: &ProxyError,
    request_id: Option<HeaderValue>,
    local: &Local,
    client: &Rc<Client>,
) -> Response<ResponseBody> {
    let status = error.status();
    if error.fault().is_some() {
        local.complain(|| {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, ?request_id, "request failed");
        });
    }
    let text = format!("{status}: {}\n", error.public());
    let mut response = Response::new(ResponseBody::own(Bytes::from(text), client));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(id) = request_id {
        headers.insert(X_REQUEST_ID, id);
    }
    if error.ends_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
