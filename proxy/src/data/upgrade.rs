//! What a connection becomes after `101 Switching Protocols` (RFC 9110 7.8).
//!
//! Only what the client asked for and the target accepted is switched to; everything else about
//! `Upgrade` stays with the connection it was said on.

use std::rc::Rc;

use http::header::UPGRADE;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Peer;
use super::deadline::Deadline;
use super::exchange::Exchange;
use super::tunnel::{self, Protocol, Side};
use crate::reach::Stream;

/// A target that has switched protocols, and the exchange in which it did: the tunnel is a lease on
/// its release as long as it lasts.
#[derive(Debug)]
pub(super) struct Upgraded {
    target: Side<Stream>,
    protocol: Protocol,
    exchange: Rc<Exchange>,
}

impl Upgraded {
    /// The connection of which `target` is left after the target's answer `head`.
    pub(super) fn new(target: Side<Stream>, head: &HeaderMap, exchange: Rc<Exchange>) -> Self {
        let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
        let protocol = match head.get(UPGRADE) {
            Some(value) if websocket(value) => Protocol::WebSocket,
            _ => Protocol::Other,
        };
        Self { target, protocol, exchange }
    }
}

/// Whether a request may ask its target for `protocols`. HTTP/2 in the clear is what this proxy
/// would have to speak itself (RFC 9113 3.1 has done away with asking for it, and asking is how
/// requests were smuggled past proxies).
pub(super) fn may_ask(protocols: &HeaderValue) -> bool {
    let mut offers = protocols.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
    offers.all(|offer| !offer.is_empty() && !offer.to_ascii_lowercase().starts_with(b"h2"))
}

/// Whether the protocol that the answer switches to is one of those `asked` for.
pub(super) fn is_accepted(asked: &HeaderValue, answer: &HeaderMap) -> bool {
    let mut accepted = answer.get_all(UPGRADE).iter();
    let (Some(one), None) = (accepted.next(), accepted.next()) else { return false };
    let mut offers = asked.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
    offers.any(|offer| offer.eq_ignore_ascii_case(one.as_bytes().trim_ascii()))
}

/// Carries bytes both ways until the tunnel is over. `deadline` is that of the task this runs in.
pub(super) async fn run<C: AsyncRead + AsyncWrite + Unpin>(
    peer: &Peer,
    deadline: &Rc<Deadline>,
    client: Side<C>,
    upgraded: Upgraded,
) {
    let Upgraded { target, protocol, exchange } = upgraded;
    peer.client.exchange_began();
    deadline.allow(exchange.release().release.limits.tunnel);
    let guard = peer.local.tunnels.open(&exchange, deadline, &peer.local.clock);
    let outcome = tunnel::run(client, target, protocol, &guard).await;
    exchange.tunnel_ended(outcome.end);
    peer.client.exchange_over();
}
