//! What is taken off a message and what is added before it is forwarded.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Uri, Version, request, response};

/// `X-Request-Id`
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether a field speaks of one connection only, beside those that `Connection` names (RFC 9110
/// 7.6.1). How the body is framed is decided anew on each side. `Expect` is among them because
/// hyper has promised the client a "100 Continue" as soon as its body is asked for.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    // Compared one by one: two known names compare as one byte, and a hash costs more than all of
    // them together.
    const KNOWN: [HeaderName; 6] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, EXPECT];
    KNOWN.contains(name) || *name == KEEP_ALIVE || *name == PROXY_CONNECTION
}

/// Removes what speaks of one connection only.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads have none of these fields, or only `Connection: keep-alive`.
    let mut found: [Option<HeaderName>; 8] = Default::default();
    let names = headers.keys().filter(|name| is_hop_by_hop(name)).cloned();
    found.iter_mut().zip(names).for_each(|(place, name)| *place = Some(name));
    if found.contains(&Some(CONNECTION)) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
    for name in found.into_iter().flatten() {
        headers.remove(name);
    }
}

/// The fields that `Connection` names, in all of its lines.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // Options, not fields; the most frequent ones, and a name takes an allocation.
        .filter(|name| !["keep-alive", "close"].iter().any(|o| name.eq_ignore_ascii_case(o)))
        .filter_map(|name| name.parse().ok())
        // What tells where a message belongs or ends is not a sender's to take away.
        .filter(|name: &HeaderName| *name != HOST && *name != CONTENT_LENGTH)
        .collect()
}

/// Makes the client's request head the one that is forwarded, and returns the request's id.
pub(super) fn forward_request(
    head: &mut request::Parts,
    forwarded_for: &HeaderValue,
    strip: Option<usize>,
) -> HeaderValue {
    remove_hop_by_hop(&mut head.headers);
    append_forwarded_for(&mut head.headers, forwarded_for);
    head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(authority) = head.uri.authority() {
        // Absolute-form overrides Host (RFC 9112 3.2.2). An authority is made of visible ASCII.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            head.headers.insert(HOST, host);
        }
    }
    if let Some(host) = head.headers.get(HOST).cloned() {
        head.headers.insert(X_FORWARDED_HOST, host);
    }
    rewrite_target(head, strip);
    head.version = Version::HTTP_11;
    request_id(&mut head.headers)
}

fn append_forwarded_for(headers: &mut HeaderMap, client: &HeaderValue) {
    match headers.entry(X_FORWARDED_FOR) {
        Entry::Vacant(none) => {
            none.insert(client.clone());
        }
        Entry::Occupied(mut before) => {
            // Several lines mean the same as one with commas (RFC 9110 5.3); one is what apps read.
            let mut list = Vec::new();
            for value in before.iter().chain([client]) {
                if !list.is_empty() {
                    list.extend_from_slice(b", ");
                }
                list.extend_from_slice(value.as_bytes());
            }
            // Valid values joined by a comma are a valid value.
            if let Ok(list) = HeaderValue::from_bytes(&list) {
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

/// The id the client sent if it is sane, or a new one.
fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    let sane = |id: &HeaderValue| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    match headers.entry(X_REQUEST_ID) {
        Entry::Occupied(sent) if sane(sent.get()) => sent.get().clone(),
        Entry::Occupied(mut sent) => {
            let id = new_id();
            sent.insert(id.clone());
            id
        }
        Entry::Vacant(none) => none.insert(new_id()).clone(),
    }
}

/// 128 random bits in hex. Not secret: it tells requests apart in logs.
fn new_id() -> HeaderValue {
    let mut hex = [0; 32];
    let mut bits = fastrand::u128(..);
    for digit in &mut hex {
        *digit = b"0123456789abcdef"[(bits & 15) as usize];
        bits >>= 4;
    }
    HeaderValue::from_bytes(&hex).unwrap_or(HeaderValue::from_static("-"))
}

/// Makes the target's response head the one the client gets, and returns whether the target keeps
/// its connection open (RFC 9112 9.3).
pub(super) fn forward_response(head: &mut response::Parts) -> bool {
    let says_close = |value: &HeaderValue| {
        let mut options = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(b"close"))
    };
    let keep = head.version == Version::HTTP_11
        && !head.headers.get_all(CONNECTION).iter().any(says_close);
    remove_hop_by_hop(&mut head.headers);
    // The version is the connection's own affair: hyper answers in the client's.
    head.version = Version::HTTP_11;
    keep
}

#[cfg(test)]
mod tests {
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
        forward_request(&mut head, &HeaderValue::from_static("10.0.0.9"), strip);
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
    fn connection_cannot_take_away_host_or_length() {
        let fields =
            [("connection", "host, content-length"), ("host", "a"), ("content-length", "3")];
        let head = forwarded("/", &fields, None);
        assert!(head.headers.contains_key("host") && head.headers.contains_key("content-length"));
    }

    #[test]
    fn the_client_is_appended_to_who_came_before() {
        assert_eq!(forwarded("/", &[], None).headers["x-forwarded-for"], "10.0.0.9");
        let fields = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2, 3.3.3.3")];
        let head = forwarded("/", &fields, None);
        let all: Vec<_> = head.headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(all, ["1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9"]);
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
