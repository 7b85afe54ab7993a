//! An authority of the tests, and what it signs.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, RsaKeySize,
    SignatureAlgorithm, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is signed: a leaf for names, valid today, with an ECDSA key, unless said otherwise.
pub(crate) struct Leaf {
    pub(crate) params: CertificateParams,
    key: KeyPair,
}

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// A leaf for `names` as it is.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        self.sign(&Leaf::new(names))
    }

    pub(crate) fn sign(&self, leaf: &Leaf) -> Pair {
        let signed = leaf.params.signed_by(&leaf.key, &self.0).unwrap();
        Pair { chain: signed.pem(), key: leaf.key.serialize_pem(), der: signed.der().clone() }
    }
}

impl Leaf {
    pub(crate) fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        Self { params, key: KeyPair::generate().unwrap() }
    }

    pub(crate) fn key(mut self, kind: &'static SignatureAlgorithm) -> Self {
        self.key = KeyPair::generate_for(kind).unwrap();
        self
    }

    pub(crate) fn rsa(mut self) -> Self {
        let kind = &rcgen::PKCS_RSA_SHA256;
        self.key = KeyPair::generate_rsa_for(kind, RsaKeySize::_2048).unwrap();
        self
    }

    /// Valid from the first of January of a year to that of another.
    pub(crate) fn years(mut self, first: i32, last: i32) -> Self {
        self.params.not_before = date_time_ymd(first, 1, 1);
        self.params.not_after = date_time_ymd(last, 1, 1);
        self
    }
}

impl Pair {
    /// Writes `NAME.crt` and `NAME.key`, each in one step, as careful programs do.
    pub(crate) fn write(&self, directory: &Path, name: &str) {
        replace(&directory.join(format!("{name}.crt")), &self.chain);
        replace(&directory.join(format!("{name}.key")), &self.key);
    }

    /// As a client presents it.
    pub(crate) fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        use rustls::pki_types::pem::PemObject;
        (vec![self.der.clone()], PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap())
    }
}

/// Puts a file in the place of another.
pub(crate) fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, path).unwrap();
}
