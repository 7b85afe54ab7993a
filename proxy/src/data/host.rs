//! Which host a request is for.

use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderMap, Uri, Version};

use super::error::ProxyError;

/// The host of a request, lower case, without port, brackets and the dot at the end.
///
/// HTTP/1.1 wants exactly one `Host` (RFC 9112 3.2); an absolute-form target overrides it. HTTP/1.0
/// may leave it away, which only a catch-all app answers.
pub(super) fn host<'a>(
    version: Version,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<Cow<'a, str>, ProxyError> {
    let mut values = headers.get_all(HOST).iter();
    let field = values.next();
    if values.next().is_some() {
        return Err(ProxyError::BadRequest("more than one Host"));
    }
    if field.is_none() && version == Version::HTTP_11 {
        return Err(ProxyError::BadRequest("Host is missing"));
    }
    let field = match field {
        Some(value) => value.to_str().map_err(|_| ProxyError::BadRequest("Host is malformed"))?,
        None => "",
    };
    let name = name(field).ok_or(ProxyError::BadRequest("Host is malformed"))?;
    let name = match uri.authority() {
        Some(authority) => {
            let named = self::name(authority.as_str())
                .ok_or(ProxyError::BadRequest("authority is malformed"))?;
            // On HTTP/2 the two must not differ (RFC 9113 8.3.1).
            if version == Version::HTTP_2 && !field.is_empty() && !name.eq_ignore_ascii_case(named)
            {
                return Err(ProxyError::BadRequest("Host differs from :authority"));
            }
            named
        }
        None => name,
    };
    if name.is_empty() && version == Version::HTTP_2 {
        return Err(ProxyError::BadRequest(":authority is missing"));
    }
    Ok(match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    })
}

/// `authority` without its port; `None` if it is no `uri-host [":" port]` of RFC 9110 7.2. User
/// information is refused: nobody sends it to a server but to deceive one.
fn name(authority: &str) -> Option<&str> {
    let (name, rest) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (name, rest) = bracketed.split_once(']')?;
        name.parse::<std::net::Ipv6Addr>().ok()?;
        (name, rest)
    } else {
        let end = authority.bytes().position(|b| !is_allowed(b)).unwrap_or(authority.len());
        let (name, rest) = authority.split_at_checked(end)?;
        (name.strip_suffix('.').unwrap_or(name), rest)
    };
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let sound =
        (rest.is_empty() || rest.starts_with(':')) && port.bytes().all(|b| b.is_ascii_digit());
    (sound && port.len() <= 5).then_some(name)
}

/// Unreserved and sub-delims of RFC 3986 3.2.2, without percent-encoding: no host name of an app has
/// any of it, so nothing is lost by refusing.
const fn is_allowed(b: u8) -> bool {
    matches!(
        b,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
            | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_case_brackets_and_root_dot_do_not_matter() {
        for (authority, expected) in [
            ("www.example.com", "www.example.com"),
            ("www.example.com:8080", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            ("[::1]:80", "::1"),
            ("", ""),
        ] {
            assert_eq!(name(authority), Some(expected), "{authority}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "WWW.Example.com:80".parse().unwrap());
        let uri = Uri::from_static("/");
        assert_eq!(host(Version::HTTP_11, &uri, &headers).unwrap(), "www.example.com");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in
            ["a b", "a/b", "user@a", "a:b", "a:123456", "[::1", "[x]", "a%00", "a\\b", "a:80:80"]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn http_1_1_has_exactly_one_host() {
        let uri = Uri::from_static("/");
        let mut headers = HeaderMap::new();
        assert!(host(Version::HTTP_11, &uri, &headers).is_err());
        assert_eq!(host(Version::HTTP_10, &uri, &headers).unwrap(), "");
        headers.append(HOST, "a".parse().unwrap());
        headers.append(HOST, "b".parse().unwrap());
        assert!(host(Version::HTTP_11, &uri, &headers).is_err());
    }
}
