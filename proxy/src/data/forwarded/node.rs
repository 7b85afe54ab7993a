//! One address as `X-Forwarded-For` and `Forwarded` write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderValue;

/// The address in `text`: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`. A port may be obfuscated (`:_p`, RFC 7239 6.2).
///
/// `None` for anything else, such as `unknown` or an obfuscated name (RFC 7239 6.3).
pub fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let sound = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        sound.then(|| address.parse::<Ipv6Addr>().ok())?.map(IpAddr::from)
    } else {
        match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                let v4 = address.parse().ok().filter(|_| is_port(port))?;
                Some(IpAddr::V4(v4))
            }
            _ => text.parse().ok(),
        }
    };
    address.map(|address| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty()
                && hidden.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Whether the scheme `text` is one over TLS; `None` if it is none of those that come here.
pub fn secure(text: &[u8]) -> Option<bool> {
    let is = |scheme: &str| text.eq_ignore_ascii_case(scheme.as_bytes());
    let secure = is("https") || is("wss");
    (secure || is("http") || is("ws")).then_some(secure)
}

/// How fields say `address`. There is one for each connection, and formatting those of IPv4 with `fmt`
/// takes ten times as long.
pub fn value(address: IpAddr) -> HeaderValue {
    let value = match address {
        IpAddr::V4(address) => dotted(address),
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()).ok(),
    };
    // An IP address is always a valid value.
    value.unwrap_or(HeaderValue::from_static("unknown"))
}

fn dotted(address: Ipv4Addr) -> Option<HeaderValue> {
    let (mut text, mut end) = (*b"255.255.255.255", 0);
    for octet in address.octets() {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(octet).as_bytes();
        text[end..][..digits.len()].copy_from_slice(digits);
        end += digits.len();
        if let Some(dot) = text.get_mut(end) {
            *dot = b'.';
        }
        end += 1;
    }
    HeaderValue::from_bytes(&text[..end - 1]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_said_as_everybody_writes_it() {
        let v4 = (0..=255).map(|n| IpAddr::from([n, 255 - n, 0, n / 3]));
        let v6 = ["::1", "2001:db8:cafe::17"].map(|text| text.parse().unwrap());
        for address in v4.chain(v6).chain([IpAddr::from([255; 4])]) {
            assert_eq!(value(address), address.to_string());
        }
    }

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        for (text, expected) in [
            ("192.0.2.43", "192.0.2.43"),
            (" 192.0.2.43:47011 ", "192.0.2.43"),
            ("192.0.2.43:_hidden", "192.0.2.43"),
            ("2001:db8:cafe::17", "2001:db8:cafe::17"),
            ("[2001:db8:cafe::17]:4711", "2001:db8:cafe::17"),
            ("[2001:db8:cafe::17]", "2001:db8:cafe::17"),
            ("::ffff:192.0.2.43", "192.0.2.43"),
        ] {
            assert_eq!(address(text.as_bytes()), Some(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "unknown",
            "_gazonk",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:123456",
            "[192.0.2.1]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "fe80::1%eth0",
            "a.example",
            "\u{e9}",
            "192.0.2.1, 192.0.2.2",
            "192.0.2.1 192.0.2.2",
            "010.0.0.1",
            "192.0.2.1:_",
        ] {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
        assert_eq!(address(&[0xff]), None);
    }
}
