//! One client connection, from its first byte to the protocol spoken on it.

use std::future::poll_fn;
use std::io;
use std::io::ErrorKind::{
    ConnectionAborted, ConnectionRefused, PermissionDenied, TimedOut, UnexpectedEof,
};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::{HeaderName, HeaderValue};
use shunt_config::cidr::Cidrs;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::client::{Admitted, Client};
use super::door::Door;
use super::forwarded::Origin;
use super::local::Local;
use super::transport::{Stream, Transport};
use super::{http1, http2};
use crate::metrics::process::{Cut, Unproxied};
use crate::proxy_protocol::{self, Header, ReadError};
use crate::tls;

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
enum Protocol {
    Http1,
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
    tokio::task::spawn_local(serve(Rc::clone(local), Rc::clone(door), stream, admitted));
}

async fn serve(local: Rc<Local>, door: Rc<Door>, stream: TcpStream, admitted: Admitted) {
    let client = Rc::clone(&admitted.client);
    // Why a connection ends before its first request is nobody's affair but its client's.
    let Ok(Welcome { io, protocol, certificate, tls }) =
        welcome(&local, &door, &client, stream).await
    else {
        return;
    };
    let peer = Rc::new(Peer {
        origin: Origin::new(client.address().ip(), door.tls.is_some(), &door.trust),
        certificate,
        tls,
        local,
        client,
        door,
    });
    match protocol {
        Protocol::Http1 => http1::serve(&peer, io).await,
        Protocol::Http2 => http2::serve(&peer, io).await,
    }
}

/// A connection that is ready for its first request.
struct Welcome {
    io: Transport,
    protocol: Protocol,
    certificate: Vec<(HeaderName, HeaderValue)>,
    tls: &'static str,
}

async fn welcome(
    local: &Local,
    door: &Door,
    client: &Rc<Client>,
    mut stream: TcpStream,
) -> io::Result<Welcome> {
    if let Some(trusted) = &door.proxy_protocol {
        proxied(local, client, trusted, &mut stream).await?;
    }
    if !local.clients.hold(client) {
        local.meters.cut(local.thread, Cut::PerAddress);
        return Err(ConnectionRefused.into());
    }
    if let Some(tls) = &door.tls {
        let accept = TlsAcceptor::from(tls.config()).accept(stream);
        let limit = client.limits().client.tls_handshake;
        let accepted = client.deadline().within(limit, unless_leaving(local, accept)).await;
        let stream = accepted.ok_or(TimedOut)??;
        client.deadline().allow(client.limits().client.head);
        let (_, session) = stream.get_ref();
        let protocol = match session.alpn_protocol() {
            Some(tls::H2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map_or_else(Vec::new, tls::subject::headers);
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let io = Transport::new(Stream::Tls(Box::new(stream)), Rc::clone(client));
        return Ok(Welcome { io, protocol, certificate, tls: version });
    }
    let mut io = Transport::new(Stream::Tcp(stream), Rc::clone(client));
    let protocol = protocol(local, door, client, &mut io).await?;
    Ok(Welcome { io, protocol, certificate: Vec::new(), tls: "" })
}

/// Reads who the client is from the header that a trusted proxy in front begins with.
async fn proxied(
    local: &Local,
    client: &Client,
    trusted: &Cidrs,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let refused = |why| local.meters.unproxied(local.thread, why);
    if !trusted.contain(client.address().ip()) {
        refused(Unproxied::Untrusted);
        return Err(PermissionDenied.into());
    }
    let limits = &client.limits().client;
    let read = async { proxy_protocol::read(stream).await.map_err(Refused::Header) };
    let read = async { unless_leaving(local, read).await };
    let header = match client.deadline().within(limits.tls_handshake, read).await {
        Some(Ok(header)) => header,
        Some(Err(Refused::Header(error))) => {
            if let Some(why) = Unproxied::of(&error) {
                refused(why);
            }
            return Err(io::Error::other(error));
        }
        Some(Err(Refused::Leaving)) => return Err(ConnectionAborted.into()),
        None => {
            refused(Unproxied::Timeout);
            return Err(TimedOut.into());
        }
    };
    client.deadline().allow(limits.head);
    if let Header::Proxied(addresses) = header {
        client.set_address(addresses.source);
    }
    Ok(())
}

/// Why there is no PROXY header.
enum Refused {
    Header(ReadError),
    Leaving,
}

impl From<Leaving> for Refused {
    fn from(_: Leaving) -> Self {
        Self::Leaving
    }
}

/// The thread ends, and with it what has no request yet.
struct Leaving;

impl From<Leaving> for io::Error {
    fn from(_: Leaving) -> Self {
        ConnectionAborted.into()
    }
}

/// `work`, unless the thread ends while it waits.
async fn unless_leaving<T, E: From<Leaving>>(
    local: &Local,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending if local.is_leaving() => Poll::Ready(Err(Leaving.into())),
        polled => polled,
    })
    .await
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
                // All that has come was read, and it is no request.
                Poll::Pending if local.is_leaving() => {
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
