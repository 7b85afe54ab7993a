//! The human-readable header (section 2.1): `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::{FromStr, from_utf8};

use super::{Addresses, Header, Invalid};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line, its end included.
pub(super) const MAX_LENGTH: usize = 107;

/// Nothing while the end of the line is missing: addresses are not looked at before, as the
/// specification wants it.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Invalid> {
    let head = &bytes[..bytes.len().min(MAX_LENGTH)];
    let Some(end) = head.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if head.len() < MAX_LENGTH { Ok(None) } else { Err(Invalid::Line) };
    };
    match head[end..] {
        [b'\r', b'\n', ..] => {}
        // Its LF may still come, if there is room for it.
        [b'\r'] if head.len() < MAX_LENGTH => return Ok(None),
        _ => return Err(Invalid::Line),
    }
    let header = line(&head[SIGNATURE.len().min(end)..end])?;
    Ok(Some((header, end + 2)))
}

fn line(line: &[u8]) -> Result<Header, Invalid> {
    let (protocol, rest) = match line.iter().position(|byte| *byte == b' ') {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    };
    let (source, destination) = match (protocol, rest) {
        (b"TCP4", Some(rest)) => ends::<Ipv4Addr>(rest)?,
        (b"TCP6", Some(rest)) => ends::<Ipv6Addr>(rest)?,
        (b"TCP4" | b"TCP6", None) => return Err(Invalid::Fields),
        // Whatever follows has to be ignored.
        (b"UNKNOWN", _) => return Ok(Header::Local),
        _ => return Err(Invalid::Protocol),
    };
    Ok(Header::Proxied(Addresses { source, destination }))
}

fn ends<A: FromStr + Into<IpAddr>>(text: &[u8]) -> Result<(SocketAddr, SocketAddr), Invalid> {
    let mut fields = text.split(|byte| *byte == b' ');
    let mut field = || fields.next().ok_or(Invalid::Fields);
    let (source, destination) = (address::<A>(field()?)?, address::<A>(field()?)?);
    let (from, to) = (port(field()?)?, port(field()?)?);
    match fields.next() {
        None => Ok((SocketAddr::new(source, from), SocketAddr::new(destination, to))),
        Some(_) => Err(Invalid::Fields),
    }
}

/// The standard library reads addresses as strictly as the specification wants: without leading
/// zeroes, and without a zone.
fn address<A: FromStr + Into<IpAddr>>(text: &[u8]) -> Result<IpAddr, Invalid> {
    let address = from_utf8(text).ok().and_then(|text| text.parse::<A>().ok());
    address.map(Into::into).ok_or(Invalid::Address)
}

/// Decimal digits alone: the standard library would take a sign and leading zeroes.
fn port(text: &[u8]) -> Result<u16, Invalid> {
    let digits = text.iter().all(u8::is_ascii_digit);
    let canonical = text == b"0" || !text.starts_with(b"0");
    let port = from_utf8(text).ok().and_then(|text| text.parse().ok());
    port.filter(|_| digits && canonical).ok_or(Invalid::Port)
}
