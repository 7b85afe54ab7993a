//! What a connection goes through before its first request.

use std::future::poll_fn;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, PermissionDenied, TimedOut};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use shunt_config::cidr::Cidrs;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::client::Client;
use super::connection::{Peer, Protocol};
use super::door::Door;
use super::forwarded::Origin;
use super::local::Local;
use super::transport::{Stream, Transport};
use crate::metrics::process::{Cut, Unproxied};
use crate::proxy_protocol::{self, Header, ReadError};
use crate::tls;

/// Lets in a client whose address is known by now, if it may have one more connection.
pub(super) fn admit(local: Rc<Local>, door: Rc<Door>, client: &Rc<Client>) -> io::Result<Peer> {
    if !local.clients.hold(client) {
        local.meters.cut(local.thread, Cut::PerAddress);
        return Err(ConnectionRefused.into());
    }
    let origin = Origin::new(client.address().ip(), door.tls.is_some(), &door.trust);
    let client = Rc::clone(client);
    Ok(Peer { origin, certificate: Vec::new(), tls: "", local, client, door })
}

/// Reads the PROXY header, where one is expected, and does the handshake of TLS. It may be known then what is
/// spoken.
pub(super) async fn begin(
    local: Rc<Local>,
    door: Rc<Door>,
    client: &Rc<Client>,
    mut stream: TcpStream,
) -> io::Result<(Peer, Transport, Option<Protocol>)> {
    if let Some(trusted) = &door.proxy_protocol {
        proxied(&local, client, trusted, &mut stream).await?;
    }
    let mut peer = admit(local, door, client)?;
    let Some(tls) = &peer.door.tls else {
        let known = (!peer.door.http2).then_some(Protocol::Http1);
        return Ok((peer, Transport::new(Stream::Tcp(stream), Rc::clone(client)), known));
    };
    let accept = TlsAcceptor::from(tls.config()).accept(stream);
    let stream = handshake(&peer.local, client, accept).await?;
    let (_, session) = stream.get_ref();
    let known = match session.alpn_protocol() {
        Some(tls::H2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let shown = session.peer_certificates().and_then(<[_]>::first);
    peer.certificate = shown.map_or_else(Vec::new, tls::subject::headers);
    peer.tls = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    Ok((peer, Transport::new(Stream::Tls(stream), Rc::clone(client)), Some(known)))
}

/// Waits for the end of the handshake.
async fn handshake(
    local: &Local,
    client: &Client,
    accept: Accept<TcpStream>,
) -> io::Result<Box<TlsStream<TcpStream>>> {
    let limits = &client.limits().client;
    let accepted = unless_leaving(local, accept);
    let accepted = client.deadline().within(limits.tls_handshake, accepted).await;
    let stream = accepted.ok_or(TimedOut)??;
    client.deadline().allow(limits.head);
    Ok(Box::new(stream))
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
