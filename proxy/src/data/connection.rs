//! One client connection, from its first byte to the protocol spoken on it.

use std::future::poll_fn;
use std::io::{
    self,
    ErrorKind::{ConnectionAborted, TimedOut, UnexpectedEof},
};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use tokio::net::TcpStream;

use super::client::{Admitted, Client};
use super::door::Door;
use super::forwarded::Origin;
use super::local::Local;
use super::transport::Transport;
use super::{http1, http2};

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
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Serves `stream`, which came in through `door`, in a task of its own.
pub(super) fn spawn(local: &Rc<Local>, door: &Rc<Door>, stream: TcpStream, peer: SocketAddr) {
    let admitted = local.clients.admit(peer);
    tokio::task::spawn_local(serve(Rc::clone(local), Rc::clone(door), stream, admitted));
}

async fn serve(local: Rc<Local>, door: Rc<Door>, stream: TcpStream, admitted: Admitted) {
    let client = Rc::clone(&admitted.client);
    let mut io = Transport::new(stream, Rc::clone(&client));
    // Why a connection ends before its first request is nobody's affair but its client's.
    let Ok(protocol) = protocol(&local, &door, &client, &mut io).await else { return };
    let peer = Rc::new(Peer {
        origin: Origin::new(client.peer.ip(), false, &door.trust),
        local,
        client,
        door,
    });
    match protocol {
        Protocol::Http1 => http1::serve(&peer, io).await,
        Protocol::Http2 => http2::serve(&peer, io).await,
    }
}

/// Finds out what the client speaks, within the time for a request head.
async fn protocol(
    local: &Local,
    door: &Door,
    client: &Client,
    io: &mut Transport,
) -> io::Result<Protocol> {
    if !door.http2 {
        return Ok(Protocol::Http1);
    }
    poll_fn(|cx| {
        client.deadline().remember(cx.waker());
        loop {
            if let Some(protocol) = spoken(io.ahead()) {
                return Poll::Ready(Ok(protocol));
            }
            match io.poll_ahead(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Err(UnexpectedEof.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if client.deadline().is_over() => {
                    return Poll::Ready(Err(TimedOut.into()));
                }
                // Whoever has sent something is served to the end.
                Poll::Pending if local.is_leaving() && io.ahead().is_empty() => {
                    return Poll::Ready(Err(ConnectionAborted.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
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
