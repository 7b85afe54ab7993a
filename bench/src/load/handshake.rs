//! A TLS 1.3 connection for each request: with a new session, or with that of the one before.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::Load;
use crate::exchange::Exchange;
use crate::tally::Tally;

pub(crate) async fn run(load: &Load, ca: &Path, resume: bool) -> Tally {
    let tally = Tally::default();
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..load.connections {
        // A client of its own has sessions of its own.
        let connector = TlsConnector::from(Arc::new(config(ca, resume)));
        clients.spawn_local(client(load.clone(), connector, resume, tally.clone()));
    }
    while clients.join_next().await.is_some() {}
    tally.end(began.elapsed(), 0);
    tally
}

async fn client(load: Load, connector: TlsConnector, resume: bool, tally: Tally) {
    let request =
        format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", load.path);
    let ends = Instant::now() + load.time();
    if resume {
        // The first has no session to go on with, and is not counted.
        let _ = connection(&load, &connector, &request).await;
    }
    let wanted = if resume { HandshakeKind::Resumed } else { HandshakeKind::Full };
    while Instant::now() < ends {
        let began = Instant::now();
        let done = connection(&load, &connector, &request).await;
        let kind = |kind| match kind == Some(wanted) {
            true => Ok(()),
            false => Err(io::Error::other(format!("{kind:?} instead of {wanted:?}"))),
        };
        tally.take(began, done.and_then(kind));
    }
}

async fn connection(
    load: &Load,
    connector: &TlsConnector,
    request: &str,
) -> io::Result<Option<HandshakeKind>> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = connector.connect(name, stream).await?;
    let kind = stream.get_ref().1.handshake_kind();
    let mut exchange = Exchange::on(stream);
    exchange.ask(request.as_bytes()).await?;
    // Not every server says goodbye in TLS before it does in TCP.
    match exchange.end().await {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(kind),
    }
}

/// X25519 alone: the OpenSSL of Debian 12, which nginx and HAProxy have, knows nothing that is safe
/// from quantum computers, and one handshake is to be compared with another of its kind.
fn config(ca: &Path, resume: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    config
}
