//! Through TLS, on which both sides prove themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto};
use shunt_config::engine::TlsFiles;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{CONNECT, Connect, Wire};

/// A host that is gone is noticed after a quarter of a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(5))
    .with_interval(Duration::from_secs(5))
    .with_retries(2);

/// Makes connections to one engine.
#[derive(Clone)]
pub(in super::super) struct Tls {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Tls {
    /// Connections to `host`, proved by `files`, or by those in the directory that the variable
    /// `DOCKER_CERT_PATH` names.
    pub(in super::super) fn new(
        host: &str,
        port: u16,
        files: Option<&TlsFiles>,
    ) -> Result<Self, String> {
        let variable = std::env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty());
        let usual = variable.map(|directory| in_directory(Path::new(&directory)));
        // Another machine than the one that deployed may keep them elsewhere.
        let named = files.filter(|files| files.ca.exists() || usual.is_none());
        let files = named.or(usual.as_ref()).ok_or(
            "a Docker engine without TLS belongs to anyone who can connect to it, so it is not \
             used: name `ca`, `certificate` and `key`, or set DOCKER_CERT_PATH; or use `ssh://`",
        )?;
        let name = ServerName::try_from(host.to_owned()).map_err(|e| format!("{host}: {e}"))?;
        let connector = TlsConnector::from(Arc::new(config(files)?));
        Ok(Self { host: host.to_owned(), port, name, connector })
    }
}

impl Connect for Tls {
    async fn connect(self) -> io::Result<Wire> {
        let connected = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
            self.connector.connect(self.name, stream).await
        };
        Ok(Wire(Box::new(timeout(CONNECT, connected).await??)))
    }
}

/// The files as `docker` names them.
fn in_directory(directory: &Path) -> TlsFiles {
    let file = |name: &str| directory.join(name);
    TlsFiles { ca: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem") }
}

fn config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots.add(certificate).map_err(|e| wrong(&files.ca, e))?;
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(&files.key, e))?;
    ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&files.certificate)?, key)
        .map_err(|e| wrong(&files.certificate, e))
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|e| wrong(path, e))
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> String {
    format!("{}: {why}", path.display())
}
