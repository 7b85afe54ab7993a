//! `Strict-Transport-Security`.

use std::time::Duration;

use http::HeaderValue;

/// The value of `Strict-Transport-Security` (RFC 6797 6.1) that asks for TLS during `max_age` (in
/// whole seconds; zero takes it back), for the subdomains, too, and for the list that browsers are
/// built with.
///
/// It must be sent over TLS alone (RFC 6797 7.2); a browser ignores it in clear text.
pub fn hsts(max_age: Duration, subdomains: bool, preload: bool) -> HeaderValue {
    let subdomains = if subdomains { "; includeSubDomains" } else { "" };
    let preload = if preload { "; preload" } else { "" };
    let text = format!("max-age={}{subdomains}{preload}", max_age.as_secs());
    // Digits and the words above are always a valid value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("max-age=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_that_of_rfc_6797_6_2() {
        let year = Duration::from_hours(365 * 24);
        assert_eq!(hsts(year, false, false), "max-age=31536000");
        assert_eq!(hsts(year, true, true), "max-age=31536000; includeSubDomains; preload");
        assert_eq!(hsts(Duration::ZERO, false, false), "max-age=0");
    }
}
