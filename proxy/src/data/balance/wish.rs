//! What a request says of where it wants to go.

use std::net::IpAddr;

use http::HeaderMap;
use shunt_config::balance::{Balance, HashKey};

use super::consistent_hash::hash;
use crate::route::Release;
use crate::route::mark::cookies;
use crate::route::sessions::Session;

/// What a request says of where it wants to go.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::data) struct Wish {
    /// By which it is hashed, if it brings what is hashed.
    pub(super) hash: Option<u64>,
    /// The target or slot it stays with, by its cookie.
    pub(super) stays: Option<usize>,
    /// The session that it goes on with there.
    pub(super) session: Option<Session>,
}

impl Wish {
    /// The wish of a request of the client at `address`, on `release`.
    pub(in crate::data) fn of(release: &Release, headers: &HeaderMap, address: IpAddr) -> Self {
        let found = release.marks.as_ref().and_then(|marks| marks.find(headers));
        Self {
            stays: found.map(|found| found.target),
            session: found.and_then(|found| found.session),
            ..Self::hashed(release, headers, address)
        }
    }

    /// The wish of one that belongs to no visitor.
    pub(in crate::data) fn hashed(release: &Release, headers: &HeaderMap, address: IpAddr) -> Self {
        let hash = match &release.spread.balance {
            Balance::ConsistentHash(key) => hashed(key, headers, address),
            _ => None,
        };
        Self { hash, ..Self::default() }
    }
}

fn hashed(key: &HashKey, headers: &HeaderMap, address: IpAddr) -> Option<u64> {
    match key {
        HashKey::ClientAddress => Some(match address.to_canonical() {
            IpAddr::V4(v4) => hash(&v4.octets()),
            IpAddr::V6(v6) => hash(&v6.octets()),
        }),
        HashKey::Header(name) => headers.get(name).map(|value| hash(value.as_bytes())),
        HashKey::Cookie(name) => cookies(headers, name).into_iter().next().map(hash),
    }
}
