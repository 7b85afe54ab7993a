//! The TLS configuration of a listener.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use thiserror::Error;
use tracing::{error, info};

use super::certificate::{chain, read_file};
use super::certificates::Certificates;
use super::reload::{Source, Stamp};
use super::{H2, HTTP1, provider};

/// Sessions kept for clients of TLS 1.2 that take no tickets; the oldest go first. A listener's
/// cache is never larger than some MB.
const SESSIONS: usize = 4096;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => &BOTH[..1],
        }
    }
}

/// Whether clients are asked for a certificate. The file holds those of the authorities that may
/// have signed it, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No.
    #[default]
    Off,
    /// Yes, but they need not have one. A bad one ends the handshake.
    Optional(PathBuf),
    /// Yes, and without one the handshake fails.
    Required(PathBuf),
}

impl ClientCertificates {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Off => None,
            Self::Optional(file) | Self::Required(file) => Some(file),
        }
    }
}

/// What a listener does differently from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// The oldest version of TLS.
    pub min_version: MinVersion,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// Certificates of clients.
    pub clients: ClientCertificates,
}

/// Why a listener's configuration cannot be made.
#[derive(Debug, Error)]
pub enum ServerTlsError {
    /// The authorities of clients.
    #[error("client certificates: {}: {problem}", file.display())]
    Clients {
        /// Their file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What rustls refuses.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The TLS configuration of one listener, shared by all data threads.
#[derive(Debug)]
pub struct ServerTls {
    options: ServerOptions,
    certificates: Arc<Certificates>,
    config: ArcSwap<ServerConfig>,
    error: ArcSwapOption<String>,
    refused: AtomicU64,
    loaded: Mutex<Option<Stamp>>,
}

impl ServerTls {
    /// A configuration with `certificates`. Reads the file of the clients' authorities. Blocks.
    pub fn new(
        certificates: &Arc<Certificates>,
        options: ServerOptions,
    ) -> Result<Self, ServerTlsError> {
        let stamp = Stamp::of(options.clients.file());
        let config = config(certificates, &options)?;
        Ok(Self {
            options,
            certificates: Arc::clone(certificates),
            config: ArcSwap::from_pointee(config),
            error: ArcSwapOption::empty(),
            refused: AtomicU64::new(0),
            loaded: Mutex::new(Some(stamp)),
        })
    }

    /// The configuration for a connection that begins now.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Why the file of the clients' authorities, as it is now, cannot be used. The one before is.
    pub fn error(&self) -> Option<Arc<String>> {
        self.error.load_full()
    }

    /// How often that file was found to be of no use, each time it changed.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Source for ServerTls {
    fn stamp(&self) -> Stamp {
        Stamp::of(self.options.clients.file())
    }

    fn loaded(&self) -> Option<Stamp> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload(&self) {
        let Some(file) = self.options.clients.file() else { return };
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp();
        match config(&self.certificates, &self.options) {
            Ok(config) => {
                info!("{}: authorities of clients read", file.display());
                self.config.store(Arc::new(config));
                self.error.store(None);
                *loaded = Some(stamp);
            }
            Err(found) => {
                let text = found.to_string();
                if self.error.load().as_deref() != Some(&text) {
                    error!("{text}; what was read before stays in service");
                    self.refused.fetch_add(1, Relaxed);
                    self.error.store(Some(Arc::new(text)));
                }
                *loaded = None;
            }
        }
    }
}

/// A configuration that shares no session with any other: one that was begun where no certificate
/// is asked for, or under authorities that are believed no longer, must not be resumed here (the
/// mistake of CVE-2025-23419).
fn config(
    certificates: &Arc<Certificates>,
    options: &ServerOptions,
) -> Result<ServerConfig, ServerTlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(options.min_version.versions())?;
    let builder = match verifier(&options.clients)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificates.resolver());
    config.alpn_protocols = match options.http2 {
        true => vec![H2.to_vec(), HTTP1.to_vec()],
        false => vec![HTTP1.to_vec()],
    };
    // Tickets take no memory here, and every data thread opens those of every other. Their keys
    // change every six hours, so a ticket is good for twelve at most: for that long a client whose
    // certificate has ended meanwhile can go on with its session.
    config.ticketer = Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    // Early data can be replayed (RFC 8446, 8), and a proxy cannot know which requests may be. What
    // is sent before the client has finished goes to one that has proved nothing yet.
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    Ok(config)
}

fn verifier(
    clients: &ClientCertificates,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, ServerTlsError> {
    let Some(file) = clients.file() else { return Ok(None) };
    let failed = |problem| ServerTlsError::Clients { file: file.to_owned(), problem };
    let authorities = Arc::new(authorities(file).map_err(failed)?);
    let builder = WebPkiClientVerifier::builder_with_provider(authorities, provider());
    let builder = match clients {
        ClientCertificates::Optional(_) => builder.allow_unauthenticated(),
        _ => builder,
    };
    Ok(Some(builder.build().map_err(|e| failed(e.to_string()))?))
}

/// The authorities in a file, all of which have to be usable.
pub(super) fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let pem = read_file(file).map_err(|e| e.to_string())?;
    let mut roots = RootCertStore::empty();
    for (nth, certificate) in (1..).zip(chain(&pem)?) {
        roots.add(certificate).map_err(|e| format!("certificate {nth}: {e}"))?;
    }
    Ok(roots)
}
