//! Errors as gRPC tells them: an answer of headers alone ("Trailers-Only" of gRPC over HTTP/2), with
//! status 200 and the error in `grpc-status`.

use std::fmt::Write;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether `content_type` is that of gRPC: `application/grpc`, also with a suffix or parameters.
/// gRPC-Web is not: it understands HTTP statuses.
pub fn is_grpc(content_type: &HeaderValue) -> bool {
    let Some((kind, rest)) = content_type.as_bytes().split_at_checked(16) else { return false };
    kind.eq_ignore_ascii_case(b"application/grpc")
        && matches!(rest.first(), None | Some(b'+' | b';'))
}

/// The code for `status`, as gRPC's document "HTTP to gRPC Status Code Mapping" has it: clients
/// would make the same of the HTTP status.
pub fn code(status: StatusCode) -> u8 {
    match status.as_u16() {
        // INTERNAL
        400 => 13,
        // UNAUTHENTICATED
        401 => 16,
        // PERMISSION_DENIED
        403 => 7,
        // UNIMPLEMENTED
        404 => 12,
        // UNAVAILABLE
        429 | 502 | 503 | 504 => 14,
        // UNKNOWN
        _ => 2,
    }
}

/// The headers of an answer that says `status` and `message`.
pub(super) fn headers(status: StatusCode, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(code(status))));
    // Percent-encoded text is always a valid value.
    if let Ok(message) = HeaderValue::try_from(percent_encoded(message)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    headers
}

/// `text` as `grpc-message` wants it: all but visible ASCII, spaces and `%` itself as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b' '..=b'~' if b != b'%' => encoded.push(char::from(b)),
            _ => {
                // Writing to a `String` does not fail.
                let _ = write!(encoded, "%{b:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_from_what_only_looks_like_it() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC;charset=x", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(
                is_grpc(&HeaderValue::from_static(content_type)),
                expected,
                "{content_type}"
            );
        }
    }

    #[test]
    fn statuses_become_the_codes_of_the_mapping() {
        for (status, expected) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (429, 14),
            (502, 14),
            (503, 14),
            (504, 14),
            (408, 2),
            (413, 2),
            (500, 2),
            (501, 2),
        ] {
            assert_eq!(code(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        let headers = headers(StatusCode::SERVICE_UNAVAILABLE, "100 % ü\n");
        assert_eq!(headers["grpc-message"], "100 %25 %C3%BC%0A");
        assert_eq!(headers["grpc-status"], "14");
        assert_eq!(headers["content-type"], "application/grpc");
    }
}
