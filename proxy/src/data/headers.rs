//! What is taken off a message and what is added before it is forwarded.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, Entry, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    UPGRADE, VIA,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version, request, response};

use super::forwarded::Origin;
use super::hop::{Hop, remove_hop_by_hop};

/// `X-Request-Id`
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How many fields are added to a usual request: room is made for all of them at once.
const ADDED: usize = 5;
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Makes the client's request head the one that is forwarded. Returns what it asks of this
/// connection, and the request's id.
pub(super) fn forward_request(
    head: &mut request::Parts,
    (origin, certificate): (&Origin, &[(HeaderName, HeaderValue)]),
    strip: Option<usize>,
) -> (Hop, HeaderValue) {
    let hop = remove_hop_by_hop(&mut head.headers);
    head.headers.reserve(ADDED + certificate.len());
    if let Some(authority) = head.uri.authority() {
        // Absolute-form overrides Host (RFC 9112 3.2.2), and HTTP/2 has its own field for it (RFC
        // 9113 8.3.1). An authority is made of visible ASCII.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            head.headers.insert(HOST, host);
        }
    }
    origin.tell(&mut head.headers);
    for (name, value) in certificate {
        head.headers.insert(name.clone(), value.clone());
    }
    append_via(head);
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    rewrite_target(head, strip);
    head.version = Version::HTTP_11;
    let id = request_id(&mut head.headers);
    (hop, id)
}

/// Names this proxy among those the request came through (RFC 9110 7.6.3).
fn append_via(head: &mut request::Parts) {
    let received = match head.version {
        Version::HTTP_10 => "1.0 shunt",
        Version::HTTP_2 => "2 shunt",
        _ => "1.1 shunt",
    };
    append(&mut head.headers, VIA, &HeaderValue::from_static(received));
}

/// HTTP/2 sends cookies in fields of their own; HTTP/1.1 wants them in one (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let all: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Valid values joined by a semicolon are a valid value.
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Appends `value` to the list in field `name`. Several lines mean the same as one with commas
/// (RFC 9110 5.3); one is what apps read.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(none) => {
            none.insert(value.clone());
        }
        Entry::Occupied(mut before) => {
            let all: Vec<_> = before.iter().chain([value]).map(HeaderValue::as_bytes).collect();
            // Valid values joined by a comma are a valid value.
            if let Ok(list) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
                before.insert(list);
            }
        }
    }
}

/// Turns absolute-form into origin-form and takes the prefix off.
fn rewrite_target(head: &mut request::Parts, strip: Option<usize>) {
    let strip = strip.filter(|length| *length > 1);
    if strip.is_none() && head.uri.authority().is_none() {
        return;
    }
    let whole = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if whole == "*" {
        // `OPTIONS *` over HTTP/2 (RFC 9113 8.3.1).
        head.uri = Uri::from_static("*");
        return;
    }
    let (prefix, rest) = whole.split_at(strip.unwrap_or_default());
    let target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    if strip.is_some()
        && let Ok(prefix) = HeaderValue::from_str(prefix)
    {
        head.headers.insert(X_FORWARDED_PREFIX, prefix);
    }
    // A part of a valid target that begins with a slash is a valid target.
    if let Ok(target) = target.parse::<PathAndQuery>() {
        head.uri = Uri::from(target);
    }
}

/// Makes the head one of HTTP/2, for a target that speaks it: `scheme` and authority are part of the
/// request target, and what frames the body is not said in fields (RFC 9113 8.2.2, 8.3.1).
pub(super) fn for_http2(head: &mut request::Parts, secure: bool, trailers: bool) {
    let host = head.headers.remove(HOST);
    let authority =
        host.and_then(|host| Authority::from_maybe_shared(Bytes::from_owner(host)).ok());
    let mut target = std::mem::take(&mut head.uri).into_parts();
    target.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    // The host was looked at when the request came, and an empty one stands for none.
    target.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
    head.uri = Uri::from_parts(target).unwrap_or_default();
    head.version = Version::HTTP_2;
    if trailers {
        // The one value it may have, and one that gRPC servers look for.
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The id the client sent if it is sane, or a new one.
pub(super) fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    let sane = |id: &HeaderValue| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    match headers.entry(X_REQUEST_ID) {
        Entry::Occupied(mut sent) => {
            let id = if sane(sent.get()) { sent.get().clone() } else { new_id() };
            // One, whatever was sent.
            sent.insert(id.clone());
            id
        }
        Entry::Vacant(none) => none.insert(new_id()).clone(),
    }
}

/// 128 random bits in hex. Not secret: it tells requests apart in logs.
fn new_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(fastrand::u128(..).to_ne_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&hex).unwrap_or(HeaderValue::from_static("-"))
}

/// Says that the connection changes, or is to change, to `protocols`.
pub(super) fn ask_upgrade(headers: &mut HeaderMap, protocols: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocols.clone());
}

/// Makes the head of a `101 Switching Protocols` the one the client gets.
pub(super) fn forward_switch(headers: &mut HeaderMap) {
    let protocol = headers.get(UPGRADE).cloned();
    remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    if let Some(protocol) = &protocol {
        ask_upgrade(headers, protocol);
    }
}

/// Makes the target's response head the one the client gets. Returns whether the target keeps its
/// connection open (RFC 9112 9.3).
pub(super) fn forward_response(head: &mut response::Parts) -> bool {
    let persistent = head.version == Version::HTTP_11;
    let hop = remove_hop_by_hop(&mut head.headers);
    // The version is the connection's own affair: hyper answers in the client's.
    head.version = Version::HTTP_11;
    persistent && !hop.close
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::forwarded::Trust;
    use super::*;

    fn head(uri: &str, fields: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn forwarded(uri: &str, fields: &[(&str, &str)], strip: Option<usize>) -> request::Parts {
        let mut head = head(uri, fields);
        let client = "10.0.0.9".parse().unwrap();
        let origin = Origin::new(client, false, &Arc::new(Trust::nobody()));
        forward_request(&mut head, (&origin, &[]), strip);
        head
    }

    #[test]
    fn two_connection_headers_are_both_honoured() {
        let fields = [
            ("connection", "close, x-a"),
            ("connection", "X-B"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-c", "3"),
        ];
        let head = forwarded("/", &fields, None);
        assert!(!head.headers.contains_key("x-a") && !head.headers.contains_key("x-b"));
        assert!(head.headers.contains_key("x-c") && !head.headers.contains_key("connection"));
    }

    #[test]
    fn what_connection_names_is_heard_and_removed() {
        let fields = [
            ("connection", "keep-alive, TE, Expect, upgrade"),
            ("te", "deflate, trailers"),
            ("expect", "100-continue"),
            ("upgrade", "websocket"),
            ("keep-alive", "timeout=5"),
            ("x-a", "1"),
        ];
        let mut headers = head("/", &fields).headers;
        let hop = remove_hop_by_hop(&mut headers);
        assert!(hop.trailers && hop.expects_continue && !hop.close);
        assert_eq!(hop.upgrade.unwrap(), "websocket");
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-a"]);
        let mut headers = head("/", &[("upgrade", "websocket")]).headers;
        assert!(remove_hop_by_hop(&mut headers).upgrade.is_none(), "Connection does not name it");
    }

    #[test]
    fn connection_cannot_take_away_host_or_length() {
        let fields =
            [("connection", "host, content-length"), ("host", "a"), ("content-length", "3")];
        let head = forwarded("/", &fields, None);
        assert!(head.headers.contains_key("host") && head.headers.contains_key("content-length"));
    }

    #[test]
    fn a_client_is_not_believed_on_where_it_comes_from() {
        let fields = [("x-forwarded-for", "1.1.1.1"), ("via", "1.1 other")];
        let head = forwarded("/", &fields, None);
        assert_eq!(head.headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(head.headers["via"], "1.1 other, 1.1 shunt");
    }

    #[test]
    fn a_stripped_prefix_leaves_a_path_and_is_told() {
        let head = forwarded("/api/users?x=1", &[], Some(4));
        assert_eq!(head.uri, "/users?x=1");
        assert_eq!(head.headers["x-forwarded-prefix"], "/api");
        assert_eq!(forwarded("/api", &[], Some(4)).uri, "/");
        assert_eq!(forwarded("/api?x=1", &[], Some(4)).uri, "/?x=1");
        assert_eq!(forwarded("/x", &[], Some(1)).uri, "/x");
    }

    #[test]
    fn absolute_form_overrides_host_and_is_not_forwarded() {
        let head = forwarded("http://b.com/x", &[("host", "a.com")], None);
        assert_eq!(head.uri, "/x");
        assert_eq!(head.headers["host"], "b.com");
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_is_replaced() {
        assert_eq!(forwarded("/", &[("x-request-id", "abc")], None).headers["x-request-id"], "abc");
        let made = forwarded("/", &[("x-request-id", "a b")], None).headers["x-request-id"].clone();
        assert_eq!(made.len(), 32);
    }
}
