//! One certificate with its key, from `NAME.crt` and `NAME.key`.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// No file of a certificate is longer than this; a chain of ten with RSA keys is 20 KB.
const MAX_FILE: u64 = 1 << 20;
/// What `NAME` is followed by.
pub(super) const CHAIN: &str = "crt";
pub(super) const KEY: &str = "key";

/// Why a certificate cannot be used. Every message names the file.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// One of the two files is not there.
    #[error("{} is missing: it belongs to {}", path.display(), beside.display())]
    Missing {
        /// The file that is not there.
        path: PathBuf,
        /// The one that is.
        beside: PathBuf,
    },
    /// What is in a file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl CertificateError {
    /// Whether the same files may be read without an error at another time.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// A certificate with its chain and its key.
#[derive(Debug)]
pub struct Certificate {
    name: String,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
    schemes: Vec<SignatureScheme>,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads and checks `NAME.crt` and `NAME.key` in `directory`. Blocks.
    ///
    /// The chain is one or more certificates in PEM, the server's own first. The key is PKCS #8,
    /// PKCS #1 (RSA) or SEC1 (ECDSA) in PEM, without a passphrase, and belongs to the first
    /// certificate. Whether the dates of the certificate are right is no matter here: clocks and
    /// files change independently of each other.
    pub fn read(
        directory: &Path,
        name: &str,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let chain_path = directory.join(format!("{name}.{CHAIN}"));
        let key_path = directory.join(format!("{name}.{KEY}"));
        let pem = read(&chain_path, &key_path)?;
        let chain = chain(&pem).map_err(|problem| content(&chain_path, problem))?;
        let pem = read(&key_path, &chain_path)?;
        let key = key(&pem).map_err(|problem| content(&key_path, problem))?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|e| content(&key_path, format!("the key cannot be used: {e}")))?;
        let key = CertifiedKey::new(chain, key);
        belongs(&key).map_err(|problem| content(&key_path, problem))?;
        Self::new(name, key).map_err(|problem| content(&chain_path, problem))
    }

    fn new(name: &str, key: CertifiedKey) -> Result<Self, String> {
        let leaf = key.cert.first().ok_or("no certificate")?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|e| e.to_string())?;
        let names = dns_names(&leaf)?;
        let (not_before, not_after) =
            (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        Ok(Self {
            name: name.to_owned(),
            names,
            not_before,
            not_after,
            schemes: schemes(&key),
            key: Arc::new(key),
        })
    }

    /// `NAME` of its files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The DNS names it is valid for, in lower case; a wildcard begins with `*.`.
    ///
    /// Only the subject's alternative names count, as for every client of today (RFC 9525, 2).
    /// Without any it can be the default certificate and nothing else.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The last second it is valid in, since the Unix epoch.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether it is valid at `now`, in seconds since the Unix epoch.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether its key is an RSA key: signing with one costs ten times of what others cost.
    pub(super) fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }

    /// Whether it can sign for a client that verifies `schemes`.
    pub(super) fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        schemes.iter().any(|scheme| self.schemes.contains(scheme))
    }

    /// As rustls wants it.
    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

fn content(path: &Path, problem: String) -> CertificateError {
    CertificateError::Content { path: path.to_owned(), problem }
}

fn read(path: &Path, beside: &Path) -> Result<Vec<u8>, CertificateError> {
    read_file(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            CertificateError::Missing { path: path.to_owned(), beside: beside.to_owned() }
        }
        _ => CertificateError::Read { path: path.to_owned(), error },
    })
}

/// Reads a file that holds certificates or a key.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(io::Error::other(format!("it is longer than {MAX_FILE} bytes"))),
        false => Ok(bytes),
    }
}

/// The certificates of a file, at least one.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let nth = chain.len() + 1;
        let certificate = certificate.map_err(|e| format!("certificate {nth}: {e}"))?;
        // Both parsers: rustls's is the one that counts, the other one reads names and dates.
        ParsedCertificate::try_from(&certificate).map_err(|e| format!("certificate {nth}: {e}"))?;
        X509Certificate::from_der(&certificate).map_err(|e| format!("certificate {nth}: {e}"))?;
        chain.push(certificate);
    }
    match chain.is_empty() {
        true => Err("there is no certificate in it: PEM begins with \
                     \"-----BEGIN CERTIFICATE-----\""
            .to_owned()),
        false => Ok(chain),
    }
}

fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|e| match e {
        pem::Error::NoItemsFound if is_encrypted(bytes) => {
            "the key is encrypted, and nobody is here to be asked for the passphrase: write it \
             without one (openssl pkey -in … -out …)"
                .to_owned()
        }
        pem::Error::NoItemsFound => {
            "there is no key in it: PEM begins with \"-----BEGIN PRIVATE KEY-----\"".to_owned()
        }
        e => e.to_string(),
    })
}

fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
}

/// That the key is that of the first certificate.
fn belongs(key: &CertifiedKey) -> Result<(), String> {
    let Some(public) = key.key.public_key() else { return Ok(()) };
    let is_of = |certificate: &CertificateDer<'_>| {
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| parsed.subject_public_key_info() == public)
    };
    match key.cert.iter().position(is_of) {
        Some(0) => Ok(()),
        Some(nth) => Err(format!(
            "the key belongs to certificate {} of the chain: the server's own has to be the first",
            nth + 1
        )),
        None => Err("the key belongs to another certificate".to_owned()),
    }
}

fn dns_names(leaf: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let Some(found) = leaf.subject_alternative_name().map_err(|e| e.to_string())? else {
        return Ok(Vec::new());
    };
    let mut names: Vec<String> = Vec::new();
    for name in &found.value.general_names {
        if let GeneralName::DNSName(name) = name {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The schemes a key signs with. Asked once: asking for one makes a signer.
fn schemes(key: &CertifiedKey) -> Vec<SignatureScheme> {
    const ALL: [SignatureScheme; 10] = [
        SignatureScheme::ED25519,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ECDSA_NISTP521_SHA512,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA512,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512,
    ];
    ALL.into_iter().filter(|scheme| key.key.choose_scheme(&[*scheme]).is_some()).collect()
}
