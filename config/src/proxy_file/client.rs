//! `[client]`: how long clients may take, and how many there may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::document::Section;

/// Connections at most, whatever is written.
const CONNECTIONS: RangeInclusive<u32> = 1..=1_000_000;

/// How long clients may take, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Between two requests on one connection.
    pub idle: Duration,
    /// For a request head, for the first byte of a new connection, and for an HTTP/2 preface.
    pub head: Duration,
    /// For a TLS handshake, and for a PROXY header.
    pub tls_handshake: Duration,
    /// Without a byte of a request body.
    pub body: Duration,
    /// Requests on one connection until it is closed; 0 for any number.
    pub requests: u32,
    /// Connections in all, 1 to 1,000,000. One more closes the connection that has been idle for
    /// longest, or is turned away where none is idle.
    pub connections: u32,
    /// Connections of one address, or of one /64 of IPv6; 0 for any number.
    pub per_address: u32,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            head: Duration::from_secs(30),
            tls_handshake: Duration::from_secs(10),
            body: Duration::from_secs(30),
            requests: 10_000,
            connections: 10_000,
            per_address: 0,
        }
    }
}

pub(super) fn read(root: &mut Section<'_>) -> Client {
    let defaults = Client::default();
    let Some(mut section) = root.section("client") else { return defaults };
    let client = Client {
        idle: section.duration("idle", defaults.idle),
        head: section.duration("head", defaults.head),
        tls_handshake: section.duration("tls_handshake", defaults.tls_handshake),
        body: section.duration("body", defaults.body),
        requests: section.or("requests", defaults.requests),
        connections: section.or("connections", defaults.connections),
        per_address: section.or("per_address", defaults.per_address),
    };
    if !CONNECTIONS.contains(&client.connections) {
        let (least, most) = (CONNECTIONS.start(), CONNECTIONS.end());
        let said = format!("{} is not within {least} to {most}", client.connections);
        section.mistake("connections", &said);
    }
    client
}
