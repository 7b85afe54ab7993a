//! What targets are told of a client's certificate.
//!
//! `Client-Cert` (RFC 9440) is the certificate itself, for whoever wants to read it.
//! `X-Forwarded-Client-Cert` is what most want of it, in the form that Envoy has made common: the
//! SHA-256 fingerprint in hexadecimal digits as `Hash`, and the subject as RFC 4514 writes it as
//! `Subject`.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::distinguished_name::text;

/// The certificate.
pub const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// The certificates between it and its authority: RFC 9440 has them, and they are not passed on.
pub const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// Fingerprint and subject.
pub const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// The headers that have to be removed from every request, on every listener, whatever the client
/// has proved: targets believe them (RFC 9440, 4).
pub const NAMES: [HeaderName; 3] = [CLIENT_CERT, CLIENT_CERT_CHAIN, FORWARDED_CLIENT_CERT];

/// The headers for a client that has proved to be `certificate`'s. The same for all requests of a
/// connection.
pub fn headers(certificate: &CertificateDer<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let fingerprint = HEXLOWER.encode(digest(&SHA256, certificate).as_ref());
    // It was verified, so it can be parsed; should another parser think otherwise, the rest stands.
    let subject = X509Certificate::from_der(certificate)
        .map(|(_, parsed)| format!(";Subject=\"{}\"", text(parsed.subject())))
        .unwrap_or_default();
    let values = [
        // A byte sequence of structured fields (RFC 8941, 3.3.5).
        (CLIENT_CERT, format!(":{}:", BASE64.encode(certificate))),
        (FORWARDED_CLIENT_CERT, format!("Hash={fingerprint}{subject}")),
    ];
    // Nothing in them is outside of visible ASCII.
    let valid = |(name, value)| Some((name, HeaderValue::try_from(value).ok()?));
    values.into_iter().filter_map(valid).collect()
}
