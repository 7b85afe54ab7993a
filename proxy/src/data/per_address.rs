//! How many connections each client address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Who has an IPv6 address has as a rule a whole network of this size (RFC 6177).
const NETWORK: u32 = 64;

/// How many connections each client address has, of all threads together.
#[derive(Debug)]
pub(super) struct PerAddress {
    most: u32,
    held: Mutex<HashMap<IpAddr, u32>>,
}

/// One of an address's connections, until dropped.
#[derive(Debug)]
pub(super) struct Held {
    of: Arc<PerAddress>,
    address: IpAddr,
}

impl PerAddress {
    /// At most `most` each.
    pub(super) fn new(most: u32) -> Self {
        Self { most, held: Mutex::default() }
    }

    /// One more of `address`, if it may have one.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr) -> Option<Held> {
        let address = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Held { of: Arc::clone(self), address })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::MAX << (128 - NETWORK);
            Ipv6Addr::from_bits(address.to_bits() & prefix).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_number_and_gets_back_what_it_gives_up() {
        let all = Arc::new(PerAddress::new(2));
        let hold = |address: &str| all.hold(address.parse().unwrap());
        let (first, _second) = (hold("192.0.2.1").unwrap(), hold("::ffff:192.0.2.1").unwrap());
        assert!(hold("192.0.2.1").is_none());
        assert!(hold("192.0.2.2").is_some());
        drop(first);
        assert!(hold("192.0.2.1").is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_nothing_is_kept_of_who_is_gone() {
        let all = Arc::new(PerAddress::new(1));
        let hold = |address: &str| all.hold(address.parse().unwrap());
        let first = hold("2001:db8:1:2::1").unwrap();
        assert!(hold("2001:db8:1:2:ffff::9").is_none());
        assert!(hold("2001:db8:1:3::1").is_some());
        drop(first);
        assert!(all.held.lock().unwrap().is_empty());
    }
}
