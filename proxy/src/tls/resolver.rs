//! Which certificate a client is shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashMap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::certificates::Certificates;

/// The longest name a client can ask for (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;

/// Certificates by the names they are for. Never changed: a reload makes another one.
#[derive(Debug, Default)]
pub struct Table {
    all: BTreeMap<String, Arc<Certificate>>,
    exact: FxHashMap<Box<str>, Vec<Arc<Certificate>>>,
    /// By what follows `*.`.
    wildcard: FxHashMap<Box<str>, Vec<Arc<Certificate>>>,
    default: Vec<Arc<Certificate>>,
}

impl Table {
    /// A table of `all`, by the names of their files. The default certificate is `default`, or the
    /// first by name where that is not among them.
    pub fn new(all: BTreeMap<String, Arc<Certificate>>, default: Option<&str>) -> Self {
        let mut table = Self { all, ..Self::default() };
        for certificate in table.all.values() {
            for name in certificate.names() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(suffix) => (&mut table.wildcard, suffix),
                    None => (&mut table.exact, name.as_str()),
                };
                names.entry(name.into()).or_default().push(Arc::clone(certificate));
            }
        }
        let named = default.and_then(|name| table.all.get(name));
        if let Some(first) = named.or_else(|| table.all.values().next()) {
            // With it those for the very same names: a second one with another kind of key.
            let same = |other: &&Arc<Certificate>| {
                Arc::ptr_eq(other, first)
                    || (!first.names().is_empty() && other.names() == first.names())
            };
            table.default = table.all.values().filter(same).cloned().collect();
        }
        for list in table.exact.values_mut().chain(table.wildcard.values_mut()) {
            list.sort_by_key(|certificate| preference(certificate));
        }
        table.default.sort_by_key(|certificate| preference(certificate));
        table
    }

    /// The certificates, by the names of their files.
    pub fn all(&self) -> &BTreeMap<String, Arc<Certificate>> {
        &self.all
    }

    /// Whether a certificate is for `name`, in lower case; the default one is not for all the rest.
    pub fn is_for(&self, name: &str) -> bool {
        let suffix = name.split_once('.').map_or("", |(_, suffix)| suffix);
        self.exact.contains_key(name) || self.wildcard.contains_key(suffix)
    }

    /// The certificate for a client that asks for `name` at `now` (seconds since the Unix epoch)
    /// and can verify what `fits`. Does not allocate.
    ///
    /// An exact name goes before a wildcard, and both before the default. One that is not valid at
    /// `now` is shown only where no other is for the name: the client then says what is wrong, and
    /// says it of the right certificate.
    pub fn find(
        &self,
        name: Option<&str>,
        now: i64,
        fits: impl Fn(&Certificate) -> bool,
    ) -> Option<&Arc<Certificate>> {
        let mut buffer = [0; MAX_NAME];
        let name = name.and_then(|name| lowercase(name, &mut buffer)).unwrap_or_default();
        let exact = self.exact.get(name).map(Vec::as_slice).unwrap_or_default();
        // A wildcard stands for exactly one label (RFC 9525, 6.3).
        let wildcard = name
            .split_once('.')
            .filter(|(label, _)| !label.is_empty())
            .and_then(|(_, suffix)| self.wildcard.get(suffix))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let first = |list: &'_ [Arc<Certificate>], valid: bool| {
            list.iter().position(|one| one.is_valid_at(now) == valid && fits(one))
        };
        for valid in [true, false] {
            for list in [exact, wildcard] {
                if let Some(found) = first(list, valid) {
                    return list.get(found);
                }
            }
        }
        let found = first(&self.default, true).or_else(|| first(&self.default, false))?;
        self.default.get(found)
    }
}

/// What goes first of several for one name: a cheaper signature, then a later end.
fn preference(certificate: &Certificate) -> (bool, i64, String) {
    let name = certificate.name().to_owned();
    (certificate.is_rsa(), certificate.not_after().saturating_neg(), name)
}

/// `name` in lower case, without a dot at its end; nothing if no certificate can be for it.
fn lowercase<'a>(name: &str, buffer: &'a mut [u8; MAX_NAME]) -> Option<&'a str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let buffer = buffer.get_mut(..name.len())?;
    buffer.copy_from_slice(name.as_bytes());
    buffer.make_ascii_lowercase();
    std::str::from_utf8(buffer).ok()
}

/// Chooses by SNI and by the signatures that a client can verify.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Arc<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // For TLS 1.2 these are already those that the client's cipher suites allow.
        let schemes: &[SignatureScheme] = hello.signature_schemes();
        let table = self.0.table();
        let found = table.find(hello.server_name(), now(), |one| one.can_sign(schemes))?;
        Some(Arc::clone(found.key()))
    }
}

/// Now, in seconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
