//! What holds for whatever a client sends as a pass, in a field or in a cookie: no bytes are a pass but
//! those that its writer writes, nothing that was not signed is good, and what is taken off is taken off
//! whole, and nothing else is.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shunt_config::pass::{Pass, PassKey};
use shunt_proxy::route::cookies;
use shunt_proxy::route::preview::strip_cookie;

const NAME: &str = "shunt-web.preview";

pub(crate) fn check(bytes: &[u8]) {
    if let Some(pass) = Pass::parse(bytes) {
        assert!(bytes.len() <= 128 && bytes.is_ascii());
        let (app, keys) = ("web".parse().unwrap(), [PassKey::new(&[7; 32])]);
        assert!(!pass.is_for(&keys, &app, &"nobody signed this".into()));
    }
    let mut headers = HeaderMap::new();
    for line in bytes.split(|b| *b == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let pairs = |headers: &HeaderMap| -> Vec<Vec<u8>> {
        let lines = headers.get_all(COOKIE).iter().flat_map(|l| l.as_bytes().split(|b| *b == b';'));
        let all = lines.map(|pair| pair.trim_ascii().to_vec()).filter(|pair| !pair.is_empty());
        let own = format!("{NAME}=");
        all.filter(|pair| !pair.starts_with(own.as_bytes())).collect()
    };
    let before = pairs(&headers);
    strip_cookie(&mut headers, NAME);
    assert_eq!(cookies(&headers, NAME).into_iter().count(), 0);
    assert_eq!(pairs(&headers), before);
}
