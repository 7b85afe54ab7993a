//! The syntax of `Forwarded` (RFC 7239 4).

use std::net::IpAddr;

use http::HeaderValue;

use super::chain::Hop;
use super::node;

/// One element: what one proxy says of whom it got the request from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Element<'a> {
    /// `for`, without quotes.
    pub node: Option<&'a [u8]>,
    /// `proto`, without quotes.
    pub proto: Option<&'a [u8]>,
    /// `host`, without quotes.
    pub host: Option<&'a [u8]>,
    /// `by`, without quotes.
    pub by: Option<&'a [u8]>,
}

/// The field is not what RFC 7239 says. What comes after the place cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed Forwarded")]
pub struct Malformed;

/// The elements of one line of `Forwarded`, up to the first mistake.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements of `line`.
    pub fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// Reads one element and the comma after it; `None` if it is empty, which does not count
    /// (RFC 9110 5.6.1.2).
    fn element(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        let mut element = Element::default();
        let mut any = false;
        loop {
            self.skip_spaces();
            if !matches!(self.rest.first(), None | Some(b',' | b';')) {
                any = true;
                self.pair(&mut element)?;
                self.skip_spaces();
            }
            match self.rest.split_first() {
                None => break,
                Some((b',', rest)) => {
                    self.rest = rest;
                    break;
                }
                Some((b';', rest)) => self.rest = rest,
                Some(_) => return Err(Malformed),
            }
        }
        Ok(any.then_some(element))
    }

    fn pair(&mut self, element: &mut Element<'a>) -> Result<(), Malformed> {
        let name = self.token()?;
        let Some((b'=', rest)) = self.rest.split_first() else { return Err(Malformed) };
        self.rest = rest;
        let value = match rest.first() {
            Some(b'"') => self.quoted()?,
            _ => self.token()?,
        };
        let known = match name.to_ascii_lowercase().as_slice() {
            b"for" => &mut element.node,
            b"proto" => &mut element.proto,
            b"host" => &mut element.host,
            b"by" => &mut element.by,
            _ => return Ok(()),
        };
        // No parameter occurs twice in an element.
        known.replace(value).map_or(Ok(()), |_| Err(Malformed))
    }

    /// A token (RFC 9110 5.6.2).
    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|b| !is_token(*b)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// What is within the quotes of a quoted-string (RFC 9110 5.6.4), its escapes as they are: no
    /// address and no scheme needs any.
    fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        let text = &self.rest[1..];
        let mut at = 0;
        loop {
            match text.get(at) {
                None => return Err(Malformed),
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        self.rest = &text[at + 1..];
        Ok(&text[..at])
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.element() {
                Ok(None) => {}
                Ok(Some(element)) => return Some(Ok(element)),
                Err(Malformed) => {
                    self.rest = &[];
                    return Some(Err(Malformed));
                }
            }
        }
        None
    }
}

impl Element<'_> {
    /// Who it speaks of, if that is an address.
    pub fn hop(&self) -> Option<Hop> {
        let secure = self.proto.and_then(node::secure);
        node::address(self.node?).map(|address| Hop { address, secure })
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// The element that speaks of a request from `address` to `host`.
pub fn write(address: IpAddr, secure: bool, host: Option<&HeaderValue>) -> HeaderValue {
    let proto = if secure { "https" } else { "http" };
    let mut text = match address {
        IpAddr::V4(v4) => format!("for={v4};proto={proto}"),
        IpAddr::V6(v6) => format!("for=\"[{v6}]\";proto={proto}"),
    }
    .into_bytes();
    if let Some(host) = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty()) {
        text.extend_from_slice(b";host=");
        if host.iter().all(|b| is_token(*b)) {
            text.extend_from_slice(host);
        } else {
            text.push(b'"');
            for b in host {
                if matches!(b, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(*b);
            }
            text.push(b'"');
        }
    }
    // Made of an address and a valid value, with nothing but visible ASCII between them.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(line: &str) -> Vec<Result<Option<&str>, Malformed>> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        Elements::new(line.as_bytes()).map(|e| e.map(|e| e.node.map(text))).collect()
    }

    #[test]
    fn the_examples_of_rfc_7239_4_are_read() {
        assert_eq!(nodes("for=\"_gazonk\""), [Ok(Some("_gazonk"))]);
        assert_eq!(
            nodes("For=\"[2001:db8:cafe::17]:4711\""),
            [Ok(Some("[2001:db8:cafe::17]:4711"))]
        );
        assert_eq!(nodes("for=192.0.2.60;proto=http;by=203.0.113.43"), [Ok(Some("192.0.2.60"))]);
        assert_eq!(
            nodes("for=192.0.2.43, for=198.51.100.17"),
            [Ok(Some("192.0.2.43")), Ok(Some("198.51.100.17"))]
        );
    }

    #[test]
    fn commas_and_semicolons_within_quotes_divide_nothing() {
        let line = r#"host="a,b;c\",";for=192.0.2.1 ,, ;by=x, ext="\\";for=192.0.2.2,"#;
        assert_eq!(nodes(line), [Ok(Some("192.0.2.1")), Ok(None), Ok(Some("192.0.2.2"))]);
    }

    #[test]
    fn nothing_is_read_after_a_mistake() {
        for line in [
            "for",
            "for=",
            "=1",
            "for=\"1",
            "for=\"1\\",
            "for=a b",
            "for=[::1]",
            "for=1;for=2",
            "for =1",
            "for= 1",
            "for=\"1\"x",
            "\u{7f}",
        ] {
            assert_eq!(nodes(&format!("{line}, for=192.0.2.1")).first(), Some(&Err(Malformed)));
            assert_eq!(nodes(&format!("for=192.0.2.1,{line}")).last(), Some(&Err(Malformed)));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut rng = fastrand::Rng::with_seed(7239);
        for _ in 0..2000 {
            let address = match rng.bool() {
                true => IpAddr::from(rng.u32(..).to_be_bytes()),
                false => IpAddr::from(rng.u128(..).to_be_bytes()),
            };
            let host: String = (0..rng.usize(1..9)).map(|_| rng.char(' '..='~')).collect();
            let host = HeaderValue::try_from(host).unwrap();
            let line = write(address, rng.bool(), Some(&host));
            let read: Vec<_> = Elements::new(line.as_bytes()).collect();
            let [Ok(element)] = &read[..] else { panic!("{line:?}: {read:?}") };
            assert_eq!(element.hop().map(|hop| hop.address), Some(address.to_canonical()));
            let mut plain = element.host.unwrap().to_vec();
            let mut i = 0;
            while i < plain.len() {
                if plain[i] == b'\\' {
                    plain.remove(i);
                }
                i += 1;
            }
            assert_eq!(plain, host.as_bytes());
        }
    }
}
