//! The TLS configuration towards the targets of a release.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tracing::warn;

use super::server::authorities;
use super::{H2, HTTP1, provider};

/// Sessions kept per release, for fewer full handshakes with its targets.
const SESSIONS: usize = 256;

/// Who may have signed the certificates of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Roots {
    /// The authorities that this machine trusts.
    #[default]
    System,
    /// Those of a file in PEM, and no others.
    File(PathBuf),
}

/// What releases differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientOptions {
    /// Who may have signed.
    pub roots: Roots,
    /// Whether the targets have to speak HTTP/2; else HTTP/1.1 is all that is offered.
    pub http2: bool,
}

/// Why targets cannot be reached over TLS.
#[derive(Debug, Error)]
pub enum ClientTlsError {
    /// The file of authorities.
    #[error("authorities of targets: {}: {problem}", file.display())]
    Roots {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// This machine trusts nobody.
    #[error(
        "this machine has no trusted authorities ({0}): install them (Debian: ca-certificates), or \
         name a file with those of the targets"
    )]
    NoSystemRoots(String),
    /// A name that no certificate can be for.
    #[error("\"{0}\" is neither a DNS name nor an IP address")]
    Name(String),
    /// What rustls refuses.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

impl ClientOptions {
    /// A configuration, to be kept for as long as the release: sessions are resumed within it.
    /// Reads the file of authorities. Blocks.
    pub fn config(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(self.verifier()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![self.protocol().to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config.enable_early_data = false;
        Ok(Arc::new(config))
    }

    /// Whether a target that agreed on `alpn` speaks what is asked for. HTTP/2 has to be agreed on
    /// (RFC 9113, 3.3); HTTP/1.1 is what a target without ALPN speaks.
    pub fn agreed(&self, alpn: Option<&[u8]>) -> bool {
        match alpn {
            Some(alpn) => alpn == self.protocol(),
            None => !self.http2,
        }
    }

    fn protocol(&self) -> &'static [u8] {
        if self.http2 { H2 } else { HTTP1 }
    }

    /// The verification that webpki does, by name and signatures; only its authorities vary.
    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, ClientTlsError> {
        match &self.roots {
            Roots::System => system(),
            Roots::File(file) => {
                let failed = |problem| ClientTlsError::Roots { file: file.clone(), problem };
                let roots = authorities(file).map_err(failed)?;
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
                Ok(verifier.build().map_err(|e| failed(e.to_string()))?)
            }
        }
    }
}

/// The name that a target's certificate has to be for, and that it is asked for (RFC 6066, 3: an IP
/// address is not sent). `name` is a DNS name or an address, with or without brackets.
pub fn server_name(name: &str) -> Result<ServerName<'static>, ClientTlsError> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| ClientTlsError::Name(name.to_owned()))
}

/// Verifies with the authorities of this machine. They are some hundred, read once per process and
/// shared by all releases; a failure is tried again.
fn system() -> Result<Arc<WebPkiServerVerifier>, ClientTlsError> {
    static READ: Mutex<Option<Arc<WebPkiServerVerifier>>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = &*read {
        return Ok(Arc::clone(verifier));
    }
    let found = rustls_native_certs::load_native_certs();
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(ClientTlsError::NoSystemRoots(errors.join(", ")));
    }
    if ignored > 0 || !errors.is_empty() {
        warn!(ignored, ?errors, "not all of this machine's trusted authorities can be used");
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|e| ClientTlsError::NoSystemRoots(e.to_string()))?;
    *read = Some(Arc::clone(&verifier));
    Ok(verifier)
}
