//! The PROXY protocol: who the client of a balancer in front of this proxy is, and telling targets
//! who ours is. Versions 1 and 2 of the specification by HAProxy ("The PROXY protocol, Versions 1 &
//! 2", 2020/03/05); section numbers below are its.
//!
//! Own code: the crates there are take headers that the specification says to refuse (signs and
//! leading zeroes in ports, other separators than one space, endless UNKNOWN lines), or refuse some
//! that it says to take (LOCAL with any family), and none verifies the checksum of what it reads.
//!
//! # Layout
//!
//! - [`parse`]: the beginning of a connection as a header, or as none
//! - `v1`, `v2`: the two versions
//! - [`read`](mod@read): exactly the header from a socket
//! - [`write`](mod@write): the header towards a target

pub mod read;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
pub mod write;

use std::net::SocketAddr;

use thiserror::Error;

pub use read::{ReadError, read};
pub use write::{Version, write};

/// The longest header that is taken: of version 2, with Unix addresses and 4 KiB of
/// extensions.
pub const MAX_LENGTH: usize = v2::FIXED + v2::UNIX + v2::MAX_TLVS;

/// Both ends of a connection as the sender of a header sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The connection is for these two.
    Proxied(Addresses),
    /// The addresses of the socket hold: the sender speaks for itself (LOCAL, as in its health
    /// checks), or it does not know or cannot say whom it speaks for (UNKNOWN, UNSPEC, and families
    /// other than TCP over IP).
    Local,
}

/// What the bytes are that a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header may come of it. All of the bytes belong to it.
    Incomplete,
    /// A header, and how many bytes it has.
    Complete(Header, usize),
    /// No header. The connection has to be closed (section 2).
    Invalid(Invalid),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// Neither version begins like this.
    #[error("it begins with something else")]
    Signature,
    /// Version 1: no end within 107 bytes, or a CR or LF alone.
    #[error("version 1: the line does not end with CRLF within 107 bytes")]
    Line,
    /// Version 1: neither TCP4, TCP6 nor UNKNOWN.
    #[error("version 1: unknown protocol")]
    Protocol,
    /// Version 1: not two addresses and two ports, each after one space.
    #[error("version 1: not two addresses and two ports")]
    Fields,
    /// Version 1: an address that is not of the protocol's family.
    #[error("version 1: bad address")]
    Address,
    /// Version 1: not 0 to 65535 in decimal digits.
    #[error("version 1: bad port")]
    Port,
    /// Version 2: another version, or a command other than LOCAL and PROXY.
    #[error("version 2: unknown version or command")]
    Command,
    /// Version 2: a family or transport that does not exist.
    #[error("version 2: unknown address family or transport")]
    Family,
    /// Version 2: shorter than its addresses.
    #[error("version 2: too short for its addresses")]
    Short,
    /// Version 2: longer than anything this proxy takes.
    #[error("version 2: more than {} bytes of extensions", v2::MAX_TLVS)]
    Long,
    /// Version 2: extensions that do not end where the header does.
    #[error("version 2: extensions that do not fit")]
    Extension,
    /// Version 2: a checksum other than that of the header.
    #[error("version 2: wrong checksum")]
    Checksum,
}

/// Looks for a header of either version at the beginning of `bytes`. What follows it is not looked
/// at.
pub fn parse(bytes: &[u8]) -> Parsed {
    let parsed = if begins(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins(bytes, v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(Invalid::Signature)
    };
    match parsed {
        Ok(None) => Parsed::Incomplete,
        Ok(Some((header, length))) => Parsed::Complete(header, length),
        Err(invalid) => Parsed::Invalid(invalid),
    }
}

/// Whether `bytes` begin with `signature`, or may once there are more of them.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let common = bytes.len().min(signature.len());
    bytes[..common] == signature[..common]
}
