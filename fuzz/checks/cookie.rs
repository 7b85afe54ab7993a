//! What holds for whatever a client sends as cookies: the values of a name are those that a reader of
//! whole pairs finds, wherever the lines are cut.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shunt_proxy::route::cookies;

const NAME: &str = "shunt-web";

pub(crate) fn check(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|b| *b == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let found: Vec<&[u8]> = cookies(&headers, NAME).into_iter().collect();
    let mut expected = Vec::new();
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|b| *b == b';') {
            let Some(at) = pair.iter().position(|b| *b == b'=') else { continue };
            // The name is taken as it stands: `shunt-web =x` is another one's.
            if pair[..at].trim_ascii_start() == NAME.as_bytes() {
                expected.push(pair[at + 1..].trim_ascii());
            }
        }
    }
    assert_eq!(found, expected);
}
