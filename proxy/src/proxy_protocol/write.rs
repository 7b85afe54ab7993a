//! The header towards a target.

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, v2};

/// The version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// In one line of text (section 2.1).
    V1,
    /// In binary (section 2.2).
    V2,
}

/// A header for `addresses`, or one that says that this proxy speaks for itself, as in its health
/// checks. It has to be the very first that is sent on a connection.
///
/// Where one end is IPv4 and the other is not, both are written as IPv6, the one of them mapped
/// (RFC 4291, 2.5.5.2): a header has one family.
pub fn write(version: Version, addresses: Option<Addresses>) -> Vec<u8> {
    let addresses = addresses.map(one_family);
    match version {
        Version::V1 => v1(addresses),
        Version::V2 => v2(addresses),
    }
}

fn one_family(Addresses { source, destination }: Addresses) -> Addresses {
    let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let (source, destination) = (canonical(source), canonical(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return Addresses { source, destination };
    }
    let mapped = |end: SocketAddr| match end.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    };
    Addresses { source: mapped(source), destination: mapped(destination) }
}

fn v1(addresses: Option<Addresses>) -> Vec<u8> {
    let Some(Addresses { source, destination }) = addresses else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

fn v2(addresses: Option<Addresses>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(v2::FIXED + v2::INET6);
    bytes.extend(v2::SIGNATURE);
    let Some(Addresses { source, destination }) = addresses else {
        bytes.extend([v2::LOCAL, v2::UNSPEC, 0, 0]);
        return bytes;
    };
    // Lengths of addresses fit into one byte.
    let (family, length) =
        if source.is_ipv4() { (v2::TCP4, v2::INET) } else { (v2::TCP6, v2::INET6) };
    bytes.extend([v2::PROXY, family, 0, u8::try_from(length).unwrap_or(u8::MAX)]);
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    for end in [source, destination] {
        bytes.extend(end.port().to_be_bytes());
    }
    bytes
}
