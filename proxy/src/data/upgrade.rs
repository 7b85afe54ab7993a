//! What a connection becomes after `101 Switching Protocols` (RFC 9110 7.8).
//!
//! Only what the client asked for and the target accepted is switched to; everything else about
//! `Upgrade` stays with the connection it was said on.

use std::rc::Rc;

use bytes::Bytes;
use http::header::UPGRADE;
use http::{HeaderMap, HeaderValue};
use tokio::io::AsyncWriteExt;

use super::connection::Peer;
use super::exchange::Exchange;
use super::transport::Transport;
use super::upstream::Stream;

/// A target that has switched protocols, and the exchange in which it did: the tunnel is a lease on
/// its release as long as it lasts.
#[derive(Debug)]
pub(super) struct Upgraded {
    stream: Stream,
    /// What the target has sent already, after its answer.
    read: Bytes,
    exchange: Rc<Exchange>,
}

impl Upgraded {
    /// The connection of which `switched` is left after the target's answer.
    pub(super) fn new((stream, read): (Stream, Bytes), exchange: Rc<Exchange>) -> Self {
        Self { stream, read, exchange }
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

/// Carries bytes both ways until one side ends.
pub(super) async fn run(peer: &Peer, mut io: Transport, upgraded: Upgraded) {
    let Upgraded { mut stream, read, exchange } = upgraded;
    let _ = (&peer, &exchange);
    if io.write_all(&read).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut io, &mut stream).await;
    }
}
