//! `[[listen]]`: where clients come in.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::document::Section;

/// One address that clients come in on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct Listen {
    /// IP address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Whether HTTP/2 is spoken too: chosen by ALPN with TLS, by prior knowledge in the clear.
    pub http2: bool,
    /// Whether every connection begins with a PROXY header, version 1 or 2. One that does not, or
    /// does not come from `[trust] proxy_protocol`, is closed.
    pub proxy_protocol: bool,
    /// Whether a client that has sent its FIN is still answered. Otherwise it is taken for gone, and
    /// its request is cancelled.
    pub half_close: bool,
    /// Whether clients show a certificate; only with TLS.
    pub client_auth: Option<ClientAuth>,
}

/// How clients prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// File of the authorities that may have signed a client's certificate, PEM; absolute.
    pub ca: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Demand {
    #[default]
    Required,
    Optional,
}

impl Listen {
    /// A listener in the clear at `address`, with all settings at their defaults.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: false,
            http2: true,
            proxy_protocol: false,
            half_close: false,
            client_auth: None,
        }
    }
}

pub(super) fn read(root: &mut Section<'_>) -> Vec<Listen> {
    if !root.has("listen") {
        root.mistake_here("listen: missing key: add `[[listen]]` with `address = \"0.0.0.0:80\"`");
    }
    let mut all: Vec<Listen> = Vec::new();
    for mut section in root.sections("listen") {
        let address: Option<SocketAddr> = section.required("address");
        let tls = section.or("tls", false);
        let http2 = section.or("http2", true);
        let proxy_protocol = section.or("proxy_protocol", false);
        let half_close = section.or("half_close", false);
        let client_auth = client_auth(&mut section, tls);
        let Some(address) = address else { continue };
        if address.port() != 0 && all.iter().any(|listen| listen.address == address) {
            section.mistake("address", &format!("`{address}` is named twice"));
        }
        all.push(Listen { address, tls, http2, proxy_protocol, half_close, client_auth });
    }
    all
}

fn client_auth(section: &mut Section<'_>, tls: bool) -> Option<ClientAuth> {
    let ca: Option<PathBuf> = section.optional("client_ca");
    let demand: Option<Demand> = section.optional("client_auth");
    let key = if ca.is_some() { "client_ca" } else { "client_auth" };
    if !tls && (ca.is_some() || demand.is_some()) {
        section.mistake(key, "clients show certificates over TLS only: add `tls = true`");
    } else if demand.is_some() && ca.is_none() {
        let said = "name the authorities as well: `client_ca = \"/etc/shunt/clients.pem\"`";
        section.mistake(key, said);
    }
    let ca = ca?;
    if !ca.is_absolute() {
        section.mistake("client_ca", &format!("`{}` is not absolute", ca.display()));
    }
    Some(ClientAuth { ca, required: demand.unwrap_or_default() == Demand::Required })
}
