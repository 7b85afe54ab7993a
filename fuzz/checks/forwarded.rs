//! What holds for whatever is claimed of where a request comes from.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use shunt_proxy::data::forwarded::{Field, Origin, Trust};

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NEXT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// The first byte chooses the field, and each line that follows is one of that field.
pub(crate) fn check(bytes: &[u8]) {
    let Some((choice, lines)) = bytes.split_first() else { return };
    let (field, name) = match choice & 1 {
        0 => (Field::XForwardedFor, HeaderName::from_static("x-forwarded-for")),
        _ => (Field::Forwarded, FORWARDED),
    };
    let mut claimed = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            claimed.append(&name, value);
        }
    }
    let ours = |ip| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
    let trust = Arc::new(Trust::new(ours, field));
    let next = Origin::new(NEXT, false, &trust);

    // A stranger is believed nothing, neither here nor by the next one who believes us.
    let stranger = Origin::new(STRANGER, false, &trust);
    assert_eq!(stranger.client(&claimed).address, STRANGER);
    let mut told = claimed.clone();
    stranger.tell(&mut told);
    let believed = next.client(&told).address;
    assert!(believed == STRANGER || field == Field::Forwarded && believed == NEXT, "{believed}");

    // Whom a trusted one speaks for is the same for the next one who reads what we add, also where
    // what it said was malformed and is not passed on.
    let first = Origin::new(FIRST, false, &trust);
    let client = first.client(&claimed).address;
    let mut told = claimed.clone();
    first.tell(&mut told);
    if told.contains_key(&name) {
        assert_eq!(next.client(&told).address, client, "{told:?}");
    }
}
