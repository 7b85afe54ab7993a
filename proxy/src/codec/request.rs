//! How a request is written.

use std::io::Write;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HOST, HeaderMap, HeaderName, HeaderValue, MAX_FORWARDS, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING,
};
use http::request;
use http::uri::PathAndQuery;

/// How a request's body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// There is none.
    #[default]
    None,
    /// As it is: so many bytes.
    Length(u64),
    /// In chunks, as nobody knows how much will come.
    Chunked,
}

/// Writes `head` to `out`, as the head of a request whose body follows in `coding`. What the head says
/// of that itself is not written: two framings are one too many (RFC 9112 6.3).
pub fn write_head(out: &mut Vec<u8>, head: &request::Parts, coding: Coding) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri.path_and_query().map_or("/", PathAndQuery::as_str).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut said = false;
    for (name, value) in &head.headers {
        if *name == CONTENT_LENGTH {
            said = true;
        } else if *name != TRANSFER_ENCODING {
            write_field(out, name, value);
        }
    }
    let length = match coding {
        Coding::Length(length) => Some(length),
        Coding::None if said => Some(0),
        Coding::None | Coding::Chunked => None,
    };
    if let Some(length) = length {
        // Writing to a vector does not fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    if coding == Coding::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes what comes before a chunk of `length` bytes. Behind it there is [`CHUNK_END`].
pub fn write_chunk_size(out: &mut Vec<u8>, length: usize) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// What comes behind a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// What comes behind the last chunk of a body without trailers.
pub const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";
/// The end of a body whose last chunk has been ended.
pub const END: &[u8] = b"0\r\n\r\n";

/// Writes the end of a chunked body with those of its `trailers` that its head has `declared` and that
/// mean what they say in that place (RFC 9110 6.5.1).
pub fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap, declared: &[HeaderName]) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if declared.contains(name) && !belongs_to_head(name) {
            write_field(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The trailers that `headers` speak of.
pub fn declared(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(TRAILER).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|b| *b == b','));
    members.filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok()).collect()
}

/// Fields that say how a message is framed, routed or read: too late behind it.
fn belongs_to_head(name: &HeaderName) -> bool {
    [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
    ]
    .contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(uri: &str, fields: &[(&str, &str)], coding: Coding) -> String {
        let mut request = http::Request::post(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut out = Vec::new();
        write_head(&mut out, &request.body(()).unwrap().into_parts().0, coding);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_head_says_once_how_its_body_ends() {
        let lies = [("host", "a"), ("content-length", "7"), ("transfer-encoding", "gzip")];
        let start = "POST /a?b HTTP/1.1\r\nhost: a\r\n";
        assert_eq!(
            written("/a?b", &lies, Coding::Length(5)),
            format!("{start}content-length: 5\r\n\r\n")
        );
        assert_eq!(
            written("/a?b", &lies, Coding::Chunked),
            format!("{start}transfer-encoding: chunked\r\n\r\n")
        );
        assert_eq!(
            written("/a?b", &lies, Coding::None),
            format!("{start}content-length: 0\r\n\r\n")
        );
        assert_eq!(written("/a?b", &lies[..1], Coding::None), format!("{start}\r\n"));
    }

    #[test]
    fn the_target_is_in_origin_form_or_an_asterisk() {
        assert!(written("*", &[], Coding::None).starts_with("POST * HTTP/1.1\r\n"));
        assert!(written("http://a.com", &[], Coding::None).starts_with("POST / HTTP/1.1\r\n"));
        assert!(written("http://a.com/b", &[], Coding::None).starts_with("POST /b HTTP/1.1\r\n"));
    }

    #[test]
    fn trailers_are_those_that_were_declared_and_may_be() {
        let mut head = HeaderMap::new();
        head.append(TRAILER, HeaderValue::from_static("X-Sum, Host"));
        head.append(TRAILER, HeaderValue::from_static("x-b"));
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "host", "x-b", "x-c"] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        let mut out = Vec::new();
        write_trailers(&mut out, &trailers, &declared(&head));
        assert_eq!(String::from_utf8(out).unwrap(), "0\r\nx-sum: 1\r\nx-b: 1\r\n\r\n");
    }
}
