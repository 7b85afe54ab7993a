//! Both ends of a connection: what the proxy configures on one of them, a plain rustls on the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use shunt_proxy::tls::{self, Certificates, ServerOptions, ServerTls, subject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What a client saw of a connection.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) version: ProtocolVersion,
    pub(crate) kind: HandshakeKind,
    /// What the server would tell targets of the client's certificate.
    pub(crate) headers: String,
}

/// Answers connections with the configuration that `config` gives for each, in this runtime.
pub(crate) async fn serve(config: impl Fn() -> Arc<ServerConfig> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, config()));
        }
    });
    address
}

/// The same with the listener's own.
pub(crate) async fn listen(server: &Arc<ServerTls>) -> SocketAddr {
    let server = Arc::clone(server);
    serve(move || server.config()).await
}

/// A server of all certificates in `directory`, without anything special.
pub(crate) async fn plain(certificates: &Arc<Certificates>) -> SocketAddr {
    listen(&server(certificates, ServerOptions::default())).await
}

pub(crate) fn server(certificates: &Arc<Certificates>, options: ServerOptions) -> Arc<ServerTls> {
    Arc::new(ServerTls::new(certificates, options).unwrap())
}

async fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let mut stream = TlsAcceptor::from(config).accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let headers = certificates.map(|chain| subject::headers(&chain[0])).unwrap_or_default();
    for (name, value) in headers {
        stream.write_all(format!("{name}: ").as_bytes()).await?;
        stream.write_all(value.as_bytes()).await?;
        stream.write_all(b"\n").await?;
    }
    stream.shutdown().await
}

/// Connects and reads to the end: only then is it sure that the server took the client's
/// certificate, and the session can be resumed.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> io::Result<Seen> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    let mut headers = String::new();
    stream.read_to_string(&mut headers).await?;
    let (_, session) = stream.get_ref();
    Ok(Seen {
        leaf: session.peer_certificates().unwrap()[0].clone(),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        version: session.protocol_version().unwrap(),
        kind: session.handshake_kind().unwrap(),
        headers,
    })
}

/// A client that trusts `roots` and nobody else.
pub(crate) fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(client_of(roots, rustls::ALL_VERSIONS))
}

/// The same, speaking `versions`.
pub(crate) fn client_of(
    roots: RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
