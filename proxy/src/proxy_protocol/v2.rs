//! The binary header (section 2.2): a signature, four bytes on what follows, and what follows.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

use super::{Addresses, Header, Invalid};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
pub(super) const FIXED: usize = 16;
/// The most bytes of extensions that are taken. Senders put a certificate's subject into them, or a
/// name of a network, never more than some hundred bytes; the length field would allow 64 KiB.
pub(super) const MAX_TLVS: usize = 4096;

/// Bytes of both addresses, with their ports, by family.
pub(super) const INET: usize = 12;
pub(super) const INET6: usize = 36;
pub(super) const UNIX: usize = 216;

/// Version 2 in the upper half, the command in the lower one.
pub(super) const LOCAL: u8 = 0x20;
pub(super) const PROXY: u8 = 0x21;
/// The family in the upper half, the transport in the lower one.
pub(super) const UNSPEC: u8 = 0x00;
pub(super) const TCP4: u8 = 0x11;
const UDP4: u8 = 0x12;
pub(super) const TCP6: u8 = 0x21;
const UDP6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

/// The type of the extension with the checksum (section 2.2.3), and its length.
const CHECKSUM: u8 = 0x03;
const CHECKSUM_LENGTH: usize = 4;
/// CRC-32C (RFC 4960, appendix B).
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Invalid> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        // What can be said is said at once.
        return bytes.get(SIGNATURE.len()).map_or(Ok(None), |command| {
            matches!(*command, LOCAL | PROXY).then_some(None).ok_or(Invalid::Command)
        });
    };
    let (command, family) = (fixed[12], fixed[13]);
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if !matches!(command, LOCAL | PROXY) {
        return Err(Invalid::Command);
    }
    // Of LOCAL everything that follows is discarded, the family included.
    let addresses = if command == LOCAL { 0 } else { addresses(family)? };
    if length < addresses {
        return Err(Invalid::Short);
    }
    if length > UNIX + MAX_TLVS || (addresses > 0 && length > addresses + MAX_TLVS) {
        return Err(Invalid::Long);
    }
    let Some(block) = rest.get(..length) else { return Ok(None) };
    let header = if command == LOCAL || family == UNSPEC {
        Header::Local
    } else {
        let whole = &bytes[..FIXED + length];
        extensions(whole, FIXED + addresses)?;
        ends(family, block)
    };
    Ok(Some((header, FIXED + length)))
}

/// How many bytes the addresses of a family have.
fn addresses(family: u8) -> Result<usize, Invalid> {
    match family {
        UNSPEC => Ok(0),
        TCP4 | UDP4 => Ok(INET),
        TCP6 | UDP6 => Ok(INET6),
        UNIX_STREAM | UNIX_DATAGRAM => Ok(UNIX),
        _ => Err(Invalid::Family),
    }
}

/// The addresses of a block that is long enough for them.
fn ends(family: u8, block: &[u8]) -> Header {
    let ends = match family {
        TCP4 => block.split_first_chunk::<4>().and_then(|(source, rest)| {
            let (destination, rest) = rest.split_first_chunk::<4>()?;
            Some((Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), rest))
        }),
        TCP6 => block.split_first_chunk::<16>().and_then(|(source, rest)| {
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            Some((Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), rest))
        }),
        // Not what comes over a TCP socket of ours: as if nothing were said.
        _ => None,
    };
    match ends {
        Some((source, destination, [a, b, c, d, ..])) => Header::Proxied(Addresses {
            source: SocketAddr::new(source, u16::from_be_bytes([*a, *b])),
            destination: SocketAddr::new(destination, u16::from_be_bytes([*c, *d])),
        }),
        _ => Header::Local,
    }
}

/// Walks the extensions from `at` to the end of `header`: they have to fit, and a checksum among
/// them has to be right. None of the others is used.
fn extensions(header: &[u8], mut at: usize) -> Result<(), Invalid> {
    let mut checksum = None;
    while let Some(rest) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let [kind, high, low, value @ ..] = rest else { return Err(Invalid::Extension) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let value = value.get(..length).ok_or(Invalid::Extension)?;
        if *kind == CHECKSUM {
            let told: [u8; CHECKSUM_LENGTH] = value.try_into().map_err(|_| Invalid::Extension)?;
            if checksum.replace((at + 3, u32::from_be_bytes(told))).is_some() {
                return Err(Invalid::Extension);
            }
        }
        at += 3 + length;
    }
    match checksum {
        Some((at, told)) if told != checksum_of(header, at) => Err(Invalid::Checksum),
        _ => Ok(()),
    }
}

/// The checksum of `header` with zeroes in the place of the checksum, which begins `at`.
fn checksum_of(header: &[u8], at: usize) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&header[..at]);
    digest.update(&[0; CHECKSUM_LENGTH]);
    digest.update(&header[at + CHECKSUM_LENGTH..]);
    digest.finalize()
}
