//! `[trust]`: whose word about a client is taken.

use super::Listen;
use crate::cidr::Cidrs;
use crate::document::Section;

/// Whose word about a client is taken. Nobody's by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Proxies in front whose `Forwarded` and `X-Forwarded-*` are believed and extended; those of
    /// all others are replaced.
    pub forwarded: Cidrs,
    /// Proxies in front whose PROXY header is believed.
    pub proxy_protocol: Cidrs,
}

pub(super) fn read(root: &mut Section<'_>, listen: &[Listen]) -> Trust {
    let trust = root.section("trust").map_or_else(Trust::default, |mut trust| Trust {
        forwarded: trust.or("forwarded", Cidrs::default()),
        proxy_protocol: trust.or("proxy_protocol", Cidrs::default()),
    });
    if trust.proxy_protocol.is_empty() && listen.iter().any(|listen| listen.proxy_protocol) {
        root.mistake_here(
            "trust.proxy_protocol: missing key, and a listener has `proxy_protocol = true`: name \
             the proxies in front, as `[\"10.0.0.0/8\"]`",
        );
    }
    trust
}
