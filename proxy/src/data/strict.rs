//! What hyper lets pass and a proxy must not.

use http::header::{HeaderValue, MAX_FORWARDS};
use http::uri::PathAndQuery;
use http::{Method, Version, request};
use shunt_config::limits::Bounds;

use super::error::ProxyError;

/// Whether `head`, as it came, is a request that an app may get.
pub(super) fn request(head: &request::Parts, bounds: &Bounds) -> Result<(), ProxyError> {
    if head.method == Method::CONNECT {
        return Err(ProxyError::Connect);
    }
    // The HTTP/2 preface, which is no request (RFC 9113 11.6).
    if head.method.as_str() == "PRI" {
        return Err(ProxyError::BadRequest("PRI is no method"));
    }
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() > bounds.uri.as_usize() {
        return Err(ProxyError::UriTooLong);
    }
    // Asterisk-form is for OPTIONS (RFC 9112 3.2.4), authority-form for CONNECT (3.2.3).
    if target == "*" && head.method != Method::OPTIONS {
        return Err(ProxyError::BadRequest("`*` is for OPTIONS"));
    }
    let bare = head.uri.authority().is_some() && head.uri.scheme().is_none();
    if bare && head.version != Version::HTTP_2 {
        return Err(ProxyError::BadRequest("the request target must begin with a slash"));
    }
    // On HTTP/1.1 hyper has counted them.
    if head.headers.len() > bounds.headers as usize {
        return Err(ProxyError::HeadTooLarge);
    }
    Ok(())
}

/// Counts one forward down (RFC 9110 7.6.2). `false` if none is left and the request is to be answered
/// here, as OPTIONS can be and TRACE cannot.
pub(super) fn may_go_on(head: &mut request::Parts) -> Result<bool, ProxyError> {
    let trace = head.method == Method::TRACE;
    if !trace && head.method != Method::OPTIONS {
        return Ok(true);
    }
    let Some(left) = head.headers.get(MAX_FORWARDS) else { return Ok(true) };
    let left: Option<u32> = left.to_str().ok().and_then(|text| text.parse().ok());
    match left {
        Some(0) if trace => Err(ProxyError::NoForwards),
        Some(0) => Ok(false),
        Some(left) => {
            head.headers.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
            Ok(true)
        }
        None => Err(ProxyError::BadRequest("Max-Forwards is no number")),
    }
}
