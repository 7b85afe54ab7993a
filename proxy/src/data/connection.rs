//! One client connection, from its first byte to the protocol spoken on it.

use std::future::poll_fn;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, TimedOut, UnexpectedEof};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use tokio::net::TcpStream;

use super::client::Client;
use super::clients::Admitted;
use super::door::Door;
use super::forwarded::Origin;
use super::http1::Ended;
use super::local::Local;
use super::transport::{Stream, Transport};
use super::{http1, http2, welcome};

/// What every request of a connection needs to know of it; made once.
#[derive(Debug)]
pub(super) struct Peer {
    /// The thread's own state.
    pub(super) local: Rc<Local>,
    /// The connection.
    pub(super) client: Rc<Client>,
    /// Where it came in.
    pub(super) door: Rc<Door>,
    /// What its requests say of where they come from.
    pub(super) origin: Origin,
    /// What its requests say of the certificate it has shown.
    pub(super) certificate: Vec<(HeaderName, HeaderValue)>,
    /// The version of TLS, such as `TLSv1.3`; empty in the clear.
    pub(super) tls: &'static str,
}

impl Peer {
    /// Whether the connection itself is one of TLS.
    pub(super) fn is_secure(&self) -> bool {
        !self.tls.is_empty()
    }
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1, or what is none at all.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Serves `stream`, which came in through `door` from one address to another, in a task of its own.
pub(super) fn spawn(
    local: &Rc<Local>,
    door: &Rc<Door>,
    stream: TcpStream,
    (from, to): (SocketAddr, Option<SocketAddr>),
) {
    let admitted = local.clients.admit(from, to);
    let (local, door) = (Rc::clone(local), Rc::clone(door));
    if door.proxy_protocol.is_none() && door.tls.is_none() {
        if let Ok(peer) = welcome::admit(local, door, &admitted.client) {
            let known = (!peer.door.http2).then_some(Protocol::Http1);
            let io = Transport::new(Stream::Tcp(stream), Rc::clone(&peer.client));
            serve(Rc::new(peer), io, known, admitted);
        }
        return;
    }
    // What is needed until the first request is large, and goes with this task.
    tokio::task::spawn_local(async move {
        // Why a connection ends before its first request is nobody's affair but its client's.
        if let Ok((peer, io, known)) = welcome::begin(local, door, &admitted.client, stream).await {
            serve(Rc::new(peer), io, known, admitted);
        }
    });
}

/// Serves a connection, of which it may be `known` what is spoken on it. Its task is small, and all that
/// is large is in a box that is there only while something goes on: a client that waits, for its first
/// request or its next, costs little more than its socket.
fn serve(peer: Rc<Peer>, mut io: Transport, mut known: Option<Protocol>, admitted: Admitted) {
    tokio::task::spawn_local(async move {
        let clients = &admitted.clients;
        let mut rest = None;
        while let Ok(protocol) = poll_fn(|cx| poll_first(&peer, &mut io, known, cx)).await {
            (rest, known) = (None, Some(protocol));
            match protocol {
                Protocol::Http2 => return Box::pin(http2::serve(&peer, io)).await,
                Protocol::Http1 => match Box::pin(http1::serve(&peer, io)).await {
                    Ended::Resting(rested) => (rest, io) = (Some(clients.rest()), rested),
                    Ended::Over(last) => {
                        io = last;
                        break;
                    }
                    Ended::Gone => return,
                },
            }
        }
        drop(rest);
        let deadline = peer.client.deadline();
        poll_fn(|cx| match io.poll_farewell(cx) {
            Poll::Pending if deadline.is_over() => Poll::Ready(()),
            polled => polled,
        })
        .await;
    });
}

/// Waits for the first bytes of what the client sends next: any, where it is known what it speaks, and
/// otherwise as many as tell.
///
/// # Errors
///
/// Why nothing more is to be waited for.
fn poll_first(
    peer: &Peer,
    io: &mut Transport,
    known: Option<Protocol>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Protocol>> {
    // Its client may wait for our word.
    if known == Some(Protocol::Http2) {
        return Poll::Ready(Ok(Protocol::Http2));
    }
    let deadline = peer.client.deadline();
    deadline.remember(cx.waker());
    loop {
        match io.poll_ahead(cx) {
            Poll::Ready(Ok(true)) => {
                if let Some(protocol) = known.or_else(|| spoken(io.ahead())) {
                    return Poll::Ready(Ok(protocol));
                }
            }
            Poll::Ready(Ok(false)) => return Poll::Ready(Err(UnexpectedEof.into())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if deadline.is_over() => return Poll::Ready(Err(TimedOut.into())),
            // All that has come was read, and it is no request.
            Poll::Pending if peer.local.is_leaving() => {
                return Poll::Ready(Err(ConnectionAborted.into()));
            }
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// What a client speaks whose first bytes are `ahead`; `None` while that cannot be told.
fn spoken(ahead: &[u8]) -> Option<Protocol> {
    let common = ahead.iter().zip(http2::PREFACE).take_while(|(a, b)| a == b).count();
    match ahead.len() {
        _ if common == http2::PREFACE.len() => Some(Protocol::Http2),
        length if common < length => Some(Protocol::Http1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_known_as_soon_as_the_bytes_differ() {
        assert_eq!(spoken(b""), None);
        assert_eq!(spoken(b"P"), None);
        assert_eq!(spoken(b"PO"), Some(Protocol::Http1));
        assert_eq!(spoken(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), None);
        assert_eq!(spoken(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(Protocol::Http2));
        assert_eq!(spoken(b"PRI * HTTP/1.1\r\n"), Some(Protocol::Http1));
    }
}
