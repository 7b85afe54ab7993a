//! `[tls]`: which certificates are shown.

use std::path::PathBuf;

use serde::Deserialize;

use super::Listen;
use crate::document::Section;

/// Which certificates are shown, and how old a TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Directory of `NAME.crt` (the chain, leaf first) and `NAME.key`, PEM; absolute.
    pub certificates: PathBuf,
    /// The NAME shown to clients that ask for no name or for one that no certificate is for; by
    /// default the first in alphabetical order.
    pub default: Option<String>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
}

/// The oldest TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246) with forward secrecy and authenticated encryption only.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

pub(super) fn read(root: &mut Section<'_>, listen: &[Listen]) -> Option<Tls> {
    let Some(mut section) = root.section("tls") else {
        if listen.iter().any(|listen| listen.tls) {
            root.mistake_here(
                "tls: missing key, and a listener has `tls = true`: add `[tls]` with \
                 `certificates = \"/etc/shunt/certs\"`",
            );
        }
        return None;
    };
    let certificates: Option<PathBuf> = section.required("certificates");
    if let Some(path) = certificates.as_ref().filter(|path| !path.is_absolute()) {
        section.mistake("certificates", &format!("`{}` is not absolute", path.display()));
    }
    let default: Option<String> = section.optional("default");
    if let Some(name) = default.as_ref().filter(|name| name.is_empty() || name.contains('/')) {
        let said = format!("`{name}` is no NAME of a `NAME.crt` in `certificates`");
        section.mistake("default", &said);
    }
    let min_version = section.or("min_version", MinVersion::default());
    Some(Tls { certificates: certificates?, default, min_version })
}
