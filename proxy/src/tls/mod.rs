//! TLS on both sides: towards clients with certificates from a directory, and towards targets.
//!
//! # Layout
//!
//! - [`certificate`]: one certificate with its key, read and checked
//! - [`certificates`]: all of a directory, the last good of each, and what is wrong with the rest
//! - [`resolver`]: which of them a client is shown
//! - [`reload`]: when files are read again
//! - [`server`]: the configuration of a listener, clients' certificates included
//! - [`client`]: the configuration towards a release's targets
//! - [`subject`]: what targets are told of a client's certificate
//! - `distinguished_name`: a certificate's subject as text

pub mod certificate;
pub mod certificates;
pub mod client;
mod distinguished_name;
pub mod reload;
pub mod resolver;
pub mod server;
pub mod subject;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificate::{Certificate, CertificateError};
pub use certificates::{CertificateState, Certificates, CertificatesState};
pub use client::{ClientOptions, ClientTlsError, Roots};
pub use reload::{Reloader, Source, Stamp};
pub use server::{ClientCertificates, MinVersion, ServerOptions, ServerTls, ServerTlsError};

/// `h2` as ALPN names it (RFC 9113, 3.1).
pub const H2: &[u8] = b"h2";
/// `http/1.1` as ALPN names it (RFC 7301, 6).
pub const HTTP1: &[u8] = b"http/1.1";

/// The cryptography of this process. It is named wherever a configuration is made, so that none
/// depends on what was installed as the default, and when.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}
