//! The head of an answer.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::response::{self, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::Malformed;

/// The largest head, in bytes as they come.
pub const MOST: usize = 64 * 1024;

/// The most fields in a head: as many as hyper takes from clients unless told otherwise.
const FIELDS: usize = 100;

/// Up to this many bytes, values are kept as parts of what they came in; of more than that, a copy of
/// the head is made, so that a field that lives on does not keep a body with it.
const TOGETHER: usize = 4096;

/// Reads the head that `bytes` begin with, and its length; `None` while it is not whole.
///
/// A bare LF may end a line (RFC 9112 2.2); it is not passed on.
///
/// # Errors
///
/// [`Malformed`], as soon as no more bytes could make a head of these.
pub fn read(bytes: &Bytes) -> Result<Option<(usize, response::Parts)>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut fields,
    )?;
    let Status::Complete(length) = status else {
        return if bytes.len() < MOST { Ok(None) } else { Err(Malformed::Large) };
    };
    if length > MOST {
        return Err(Malformed::Large);
    }
    let text = match bytes.len() {
        ..=TOGETHER => bytes.slice(..length),
        _ => Bytes::copy_from_slice(&bytes[..length]),
    };
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| Malformed::Part("field name"))?;
        // The value's place in the head is its place in the copy.
        let from = field.value.as_ptr().addr() - bytes.as_ptr().addr();
        let value = HeaderValue::from_maybe_shared(text.slice(from..from + field.value.len()));
        headers.append(name, value.map_err(|_| Malformed::Part("field value"))?);
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed::Part("status"))?;
    let mut head = Response::new(()).into_parts().0;
    head.status = status;
    head.version = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    head.headers = headers;
    // hyper writes the usual one for a status unless told another.
    if let Some(reason) = parsed.reason
        && status.canonical_reason() != Some(reason)
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        head.extensions.insert(reason);
    }
    Ok(Some((length, head)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &'static str) -> Option<(usize, response::Parts)> {
        read(&Bytes::from_static(text.as_bytes())).ok().flatten()
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = "HTTP/1.1 200 Fine\r\nX-A: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nhello";
        let end = text.len() - 5;
        for cut in 0..end {
            assert!(read(&Bytes::from_static(&text.as_bytes()[..cut])).unwrap().is_none(), "{cut}");
        }
        let (length, head) = whole(text).unwrap();
        assert_eq!(length, end);
        assert_eq!((head.status.as_u16(), head.version), (200, Version::HTTP_11));
        assert_eq!(head.headers["x-a"], "1");
        assert_eq!(head.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(head.extensions.get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
    }

    #[test]
    fn fields_do_not_keep_a_large_body() {
        let mut bytes = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n".to_vec();
        bytes.resize(2 * TOGETHER, b'a');
        let bytes = Bytes::from(bytes);
        let (_, head) = read(&bytes).unwrap().unwrap();
        assert_eq!(head.headers["x-a"], "1");
        assert!(bytes.is_unique());
    }

    #[test]
    fn a_head_has_bounds() {
        let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(MOST));
        assert!(matches!(read(&Bytes::from(long)), Err(Malformed::Large)));
        let endless = format!("HTTP/1.1 200 OK\r\nX-A: {}", "a".repeat(MOST));
        assert!(matches!(read(&Bytes::from(endless)), Err(Malformed::Large)));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS));
        assert!(read(&Bytes::from(many)).unwrap().is_some());
        let more = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1));
        assert!(matches!(read(&Bytes::from(more)), Err(Malformed::Head(_))));
    }

    #[test]
    fn what_is_no_head_is_said_so_at_once() {
        for text in [
            "ICY 200 OK\r\n",
            "HTTP/2.0 200 OK\r\n",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
        ] {
            assert!(read(&Bytes::from_static(text.as_bytes())).is_err(), "{text:?}");
        }
    }
}
