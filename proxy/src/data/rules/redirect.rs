//! Redirects to `https://` and to the canonical host, in one step where both are due.

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

/// Where certificate authorities look (RFC 8555 8.3). They ask in clear text and by each name that a
/// certificate is to have, so these paths are never redirected.
const ACME: &str = "/.well-known/acme-challenge/";

/// Where an app's requests are sent instead, with 308: unlike 301 and 302 it keeps method and body
/// (RFC 9110 15.4.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// Requests in clear text go to `https://`.
    pub https: bool,
    /// All other hosts go to this one.
    pub canonical: Option<Box<str>>,
    /// The port that clients know for `https://`, if it is not 443.
    pub https_port: Option<u16>,
    /// The port that clients know for `http://`, if it is not 80.
    pub http_port: Option<u16>,
}

impl Redirect {
    /// Whether nothing is redirected.
    pub fn is_empty(&self) -> bool {
        !self.https && self.canonical.is_none()
    }

    /// The `Location` for a request to `host` (lower case, without port and brackets) and `uri`;
    /// `None` if it is in the right place. `secure` says whether the client asked over TLS.
    pub fn location(&self, secure: bool, host: &str, uri: &Uri) -> Option<HeaderValue> {
        if self.is_empty() || uri.path().starts_with(ACME) {
            return None;
        }
        let canonical = self.canonical.as_deref().filter(|canonical| *canonical != host);
        let upgrade = self.https && !secure;
        // HTTP/1.0 without Host: nobody knows where else it should go.
        let to = canonical.unwrap_or(host);
        if canonical.is_none() && !upgrade || to.is_empty() {
            return None;
        }
        let (scheme, port) = match secure || upgrade {
            true => ("https", self.https_port),
            false => ("http", self.http_port),
        };
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if !target.starts_with('/') {
            // `OPTIONS *` asks the server, not one of its pages (RFC 9110 9.3.7).
            return None;
        }
        let location = match to.contains(':') {
            true => format!("{scheme}://[{to}]{port}{target}"),
            false => format!("{scheme}://{to}{port}{target}"),
        };
        HeaderValue::try_from(location).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(rule: &Redirect, secure: bool, host: &str, target: &str) -> Option<String> {
        let location = rule.location(secure, host, &target.parse().unwrap())?;
        Some(location.to_str().unwrap().to_owned())
    }

    fn https() -> Redirect {
        Redirect { https: true, ..Redirect::default() }
    }

    #[test]
    fn clear_text_goes_to_https_with_its_path_and_query() {
        for (host, target, expected) in [
            ("a.com", "/x/%2F?q=1&r=%20", "https://a.com/x/%2F?q=1&r=%20"),
            ("a.com", "http://a.com:8080/x?", "https://a.com/x?"),
            ("a.com", "//evil.com/", "https://a.com//evil.com/"),
            ("::1", "/", "https://[::1]/"),
        ] {
            assert_eq!(location(&https(), false, host, target).as_deref(), Some(expected));
            assert_eq!(location(&https(), true, host, target), None, "already there");
        }
        let port = Redirect { https_port: Some(8443), ..https() };
        assert_eq!(location(&port, false, "a.com", "/").unwrap(), "https://a.com:8443/");
    }

    #[test]
    fn other_names_go_to_the_canonical_host_in_one_step() {
        let canonical = Redirect { canonical: Some("www.a.com".into()), ..Redirect::default() };
        assert_eq!(location(&canonical, false, "a.com", "/x?y").unwrap(), "http://www.a.com/x?y");
        assert_eq!(location(&canonical, true, "a.com", "/x").unwrap(), "https://www.a.com/x");
        assert_eq!(location(&canonical, false, "www.a.com", "/x"), None);
        let both = Redirect { https: true, ..canonical };
        assert_eq!(location(&both, false, "a.com", "/").unwrap(), "https://www.a.com/");
        assert_eq!(location(&both, false, "www.a.com", "/").unwrap(), "https://www.a.com/");
        assert_eq!(location(&both, true, "www.a.com", "/"), None);
    }

    #[test]
    fn certificate_authorities_are_not_redirected() {
        let both = Redirect { canonical: Some("www.a.com".into()), ..https() };
        assert_eq!(location(&both, false, "a.com", "/.well-known/acme-challenge/token"), None);
        assert!(location(&both, false, "a.com", "/.well-known/acme-challenge").is_some());
        assert!(location(&both, false, "a.com", "/x/.well-known/acme-challenge/y").is_some());
    }

    #[test]
    fn what_asks_for_no_page_of_a_host_is_not_redirected() {
        assert_eq!(location(&https(), false, "a.com", "*"), None);
        assert_eq!(location(&https(), false, "", "/"), None);
        assert_eq!(location(&Redirect::default(), false, "a.com", "/"), None);
    }
}
