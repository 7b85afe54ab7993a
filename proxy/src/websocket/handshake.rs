//! What proves that a server means WebSocket (RFC 6455 1.3, 4.1).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use http::HeaderValue;

/// What every server appends.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A new `Sec-WebSocket-Key`: it tells this request from any other, and is no secret.
pub fn new_key() -> HeaderValue {
    // Base64 is visible ASCII.
    HeaderValue::from_str(&BASE64.encode(&fastrand::u128(..).to_ne_bytes()))
        .unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// The `Sec-WebSocket-Accept` that answers `key`.
pub fn accept(key: &HeaderValue) -> HeaderValue {
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::from_str(&BASE64.encode(sum.as_ref())).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_16_bytes_and_differ() {
        let (one, two) = (new_key(), new_key());
        assert_eq!(BASE64.decode(one.as_bytes()).unwrap().len(), 16);
        assert_ne!(one, two);
    }
}
