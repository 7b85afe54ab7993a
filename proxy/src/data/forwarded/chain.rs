//! Who of all that passed a request on is the client.

use std::net::IpAddr;

/// One of those that a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its address.
    pub address: IpAddr,
    /// Whether it asked over TLS, if that is told.
    pub secure: Option<bool>,
}

/// The client: of `hops`, in the order in which they were written, the last that is not `trusted`,
/// or if all are the first. `None` stands for one that cannot be read: neither it nor what is before
/// it is believed.
///
/// Only what a trusted proxy wrote can be believed, so the search goes from the end; this is the
/// same in one pass from the beginning.
pub fn client(
    hops: impl Iterator<Item = Option<Hop>>,
    trusted: impl Fn(Hop) -> bool,
) -> Option<Hop> {
    let mut client = None;
    for hop in hops {
        client = match (hop, client) {
            (None, _) => None,
            (Some(hop), None) => Some(hop),
            (Some(hop), Some(before)) => Some(if trusted(hop) { before } else { hop }),
        };
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, from the end: what the proxies wrote one by one.
    fn from_the_end(hops: &[Option<Hop>], trusted: impl Fn(Hop) -> bool) -> Option<Hop> {
        let mut last = None;
        for hop in hops.iter().rev() {
            let Some(hop) = hop else { return last };
            last = Some(*hop);
            if !trusted(*hop) {
                return last;
            }
        }
        last
    }

    #[test]
    fn one_pass_from_the_beginning_finds_what_a_search_from_the_end_finds() {
        let mut rng = fastrand::Rng::with_seed(7239);
        let trusted = |hop: Hop| matches!(hop.address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        for _ in 0..5000 {
            let mut hops = Vec::new();
            for n in 0..rng.u8(0..7) {
                let address = IpAddr::from([rng.choice([10, 192]).unwrap_or(1), 0, 0, n]);
                hops.push((rng.u8(0..5) > 0).then_some(Hop { address, secure: None }));
            }
            let found = client(hops.iter().copied(), trusted);
            assert_eq!(found, from_the_end(&hops, trusted), "{hops:?}");
        }
    }
}
