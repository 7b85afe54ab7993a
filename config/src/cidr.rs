//! Ranges of addresses: `10.0.0.0/8`, `fd00::/8`, or one address alone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::strict::Mistake;

/// A range of IP addresses in CIDR notation (RFC 4632); a bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 address that came in on an IPv6 socket
    /// (`::ffff:10.0.0.1`) is judged as the IPv4 address it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Cidr {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let shown: String = text.chars().take(100).collect();
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                let said = format!("`{shown}` is no range of addresses: write `10.0.0.0/8`");
                Mistake::new(format!("{said}, `fd00::/8` or one address"))
            })?;
        // Either half may be the slip, and one of the two readings would trust half the internet.
        if net.trunc() != net {
            let (range, one) = (net.trunc(), net.addr());
            let said =
                format!("`{shown}` is an address within a range: write `{range}` or `{one}`");
            return Err(Mistake::new(said));
        }
        if let IpAddr::V6(v6) = net.addr()
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            let said = format!("`{shown}`: write it as the IPv4 range it is, as in `{v4}`");
            return Err(Mistake::new(said));
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => write!(f, "{}", self.0.addr()),
            false => write!(f, "{}", self.0),
        }
    }
}

by_text!(Cidr);

/// Several ranges; none holds no address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cidrs(Vec<Cidr>);

impl Cidrs {
    /// Whether `address` lies in one of the ranges.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges as they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Cidr> {
        self.0.iter()
    }
}

impl FromIterator<Cidr> for Cidrs {
    fn from_iter<T: IntoIterator<Item = Cidr>>(ranges: T) -> Self {
        Self(ranges.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_other() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "198.51.100.1", "::1"),
        ] {
            let cidr: Cidr = range.parse().unwrap();
            assert!(cidr.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!cidr.contains(outside.parse().unwrap()), "{range} {outside}");
            assert_eq!(cidr.to_string(), range);
        }
        assert!(!Cidrs::default().contain("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_way_out() {
        for (text, word) in [
            ("", "write `10.0.0.0/8`"),
            ("10.0.0", "write `10.0.0.0/8`"),
            ("10.0.0.0/33", "write `10.0.0.0/8`"),
            ("example.com", "write `10.0.0.0/8`"),
            ("10.0.0.1/8", "write `10.0.0.0/8` or `10.0.0.1`"),
            ("::ffff:10.0.0.0/104", "as in `10.0.0.0`"),
        ] {
            let said = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
