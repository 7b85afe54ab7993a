//! How the targets of a release are reached: by requests and by health checks alike.
//!
//! `connect`, then the PROXY header, then TLS. What is spoken after that is up to whoever connects;
//! [`Reach::protocol`] says what it has to be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use shunt_config::Address;
use shunt_config::protocol::{Protocol, ProxyProtocol};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::proxy_protocol::{self, Addresses, Version};
use crate::tls::{ClientOptions, Roots, client};

mod stream;

pub use stream::Stream;

/// How the targets of one announcement are reached.
#[derive(Debug, Default)]
pub struct Reach {
    /// What they speak.
    pub protocol: Protocol,
    /// The PROXY header that each connection begins with. It names one client, so such a connection
    /// serves one request of one client and is never kept.
    pub proxy_protocol: Option<Version>,
    tls: Option<Tls>,
}

/// TLS towards the targets of one announcement.
#[derive(Debug)]
struct Tls {
    options: ClientOptions,
    /// What their certificates have to be for, if that is not each one's own host.
    server_name: Option<String>,
    /// Made once, by [`Reach::prepare`]: sessions are resumed within it.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Reach {
    /// What `spec` says of it.
    pub fn of(spec: &shunt_config::Release) -> Self {
        let version = |version| match version {
            ProxyProtocol::V1 => Version::V1,
            ProxyProtocol::V2 => Version::V2,
        };
        Self {
            protocol: spec.protocol,
            proxy_protocol: spec.proxy_protocol.map(version),
            tls: spec.protocol.is_tls().then(|| Tls::of(spec)),
        }
    }

    /// Whether a connection may serve another client's request after this one's.
    pub fn keeps(&self) -> bool {
        self.proxy_protocol.is_none()
    }

    /// Reads what TLS needs, unless that is done. Until then nothing can be reached over TLS: it is
    /// part of every health check, so a release whose authorities cannot be read is never proved,
    /// and is as soon as they can.
    ///
    /// # Errors
    ///
    /// What cannot be read, and why.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub async fn prepare(&self) -> Result<(), String> {
        let Some(tls) = self.tls.as_ref().filter(|tls| tls.config.get().is_none()) else {
            return Ok(());
        };
        let options = tls.options.clone();
        let read = tokio::task::spawn_blocking(move || options.config()).await;
        let config = read.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        // Of two that read at once, the first one's stays.
        let _ = tls.config.set(config);
        Ok(())
    }

    /// Connects to the target at `address`, which stands for `resolved`, trying each of these in
    /// turn, and speaks as far as TLS. `told` is what its PROXY header names, if it gets one; `None`
    /// for this proxy itself.
    ///
    /// # Errors
    ///
    /// The last address's.
    ///
    /// # Cancel safety
    ///
    /// Cancelling closes the connection.
    pub async fn connect(
        &self,
        address: &Address,
        resolved: &[SocketAddr],
        told: Option<Addresses>,
    ) -> io::Result<Stream> {
        let stream = self.connect_in_the_clear(address, resolved, told).await?;
        match &self.tls {
            Some(tls) => tls.wrap(stream, address).await,
            None => Ok(stream),
        }
    }

    /// The same without TLS.
    pub async fn connect_in_the_clear(
        &self,
        address: &Address,
        resolved: &[SocketAddr],
        told: Option<Addresses>,
    ) -> io::Result<Stream> {
        let mut stream = match address {
            Address::Unix(path) => Stream::from(UnixStream::connect(path).await?),
            Address::Tcp { .. } => Stream::from(tcp(resolved).await?),
        };
        if let Some(version) = self.proxy_protocol {
            stream.write_all(&proxy_protocol::write(version, told)).await?;
        }
        Ok(stream)
    }
}

async fn tcp(resolved: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "name is not resolved");
    for address in resolved {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request head must not wait for the ACK of the one before.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl Tls {
    fn of(spec: &shunt_config::Release) -> Self {
        let tls = spec.tls.clone().unwrap_or_default();
        let roots = tls.ca.map_or(Roots::System, Roots::File);
        let options = ClientOptions { roots, http2: spec.protocol.is_http2() };
        Self { options, server_name: tls.server_name, config: OnceLock::new() }
    }

    async fn wrap(&self, stream: Stream, address: &Address) -> io::Result<Stream> {
        let name = self.name(address)?;
        let config = self.config.get().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "its authorities are not read yet")
        })?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        let (_, session) = stream.get_ref();
        if !self.options.agreed(session.alpn_protocol()) {
            return Err(io::Error::other("it did not agree on HTTP/2 (ALPN h2)"));
        }
        Ok(stream.into())
    }

    fn name(&self, address: &Address) -> io::Result<ServerName<'static>> {
        let name = match (&self.server_name, address) {
            (Some(name), _) => name,
            (None, Address::Tcp { host, .. }) => host,
            (None, Address::Unix(_)) => "localhost",
        };
        client::server_name(name).map_err(io::Error::other)
    }
}
