//! The listeners that `proxy.toml` asks for, bound, with the certificates they show.

use std::sync::Arc;

use anyhow::Context;
use shunt_config::proxy_file::{ClientAuth, Listen, MinVersion as Oldest, ProxyFile, Tls};
use tokio::sync::Notify;

use crate::data::forwarded::{Field, Trust};
use crate::data::{Door, Listener, listener};
use crate::tls::{
    Certificates, ClientCertificates, MinVersion, Reloader, ServerOptions, ServerTls, Source,
    reload,
};

/// The listeners, and what is behind their TLS.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Bound, each for all data threads.
    pub(crate) listeners: Vec<Listener>,
    /// There if one of them speaks TLS.
    pub(crate) tls: Option<TlsFiles>,
}

/// The files that TLS is read from. They are looked at again every few seconds.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    /// What is shown to clients.
    pub(crate) certificates: Arc<Certificates>,
    /// The configuration of each listener that speaks TLS.
    pub(crate) servers: Vec<Arc<ServerTls>>,
    /// What to notify to have all files read at once.
    pub(crate) reload: Arc<Notify>,
}

/// Binds the listeners of `file` and reads their certificates. Blocks for the reading.
///
/// # Errors
///
/// An address that cannot be bound; a directory of certificates that cannot be read; a file of
/// client authorities that is no good. Single bad certificates are logged, not fatal.
pub(crate) fn open(file: &ProxyFile) -> anyhow::Result<Doors> {
    let certificates = file.tls.as_ref().map(certificates).transpose()?;
    let trusted = file.trust.forwarded.clone();
    let trust = Arc::new(Trust::new(move |ip| trusted.contain(ip), Field::default()));
    let mut servers = Vec::new();
    let mut listeners = Vec::new();
    for listen in &file.listen {
        let tls = match (&file.tls, &certificates) {
            (Some(section), Some(certificates)) if listen.tls => {
                let server = Arc::new(server(certificates, section, listen)?);
                servers.push(Arc::clone(&server));
                Some(server)
            }
            _ => None,
        };
        let door = Door {
            http2: listen.http2,
            half_close: listen.half_close,
            trust: Arc::clone(&trust),
            proxy_protocol: listen.proxy_protocol.then(|| file.trust.proxy_protocol.clone()),
            tls,
        };
        let listener = Listener::bind(listen.address, file.threads, door);
        listeners.push(listener.with_context(|| about(listen))?);
    }
    let tls = certificates.map(|certificates| watch(certificates, servers));
    Ok(Doors { listeners, tls })
}

/// Whether the addresses of `file` can be bound. Nobody is listened to: no client is ever taken from
/// a process that serves there.
pub(crate) fn can_bind(file: &ProxyFile) -> anyhow::Result<()> {
    let mut bound = Vec::new();
    for listen in &file.listen {
        bound.push(listener::reserve(listen.address, true).with_context(|| about(listen))?);
    }
    let admin = listener::reserve(file.admin, false);
    admin.with_context(|| format!("admin listener {}", file.admin))?;
    Ok(())
}

fn about(listen: &Listen) -> String {
    format!("listener {}", listen.address)
}

/// What the TLS of one listener is made of.
pub(crate) fn server(
    certificates: &Arc<Certificates>,
    tls: &Tls,
    listen: &Listen,
) -> anyhow::Result<ServerTls> {
    ServerTls::new(certificates, options(tls, listen)).with_context(|| about(listen))
}

/// The certificates that `tls` names. Blocks.
pub(crate) fn certificates(tls: &Tls) -> anyhow::Result<Arc<Certificates>> {
    let directory = &tls.certificates;
    Certificates::open(directory, tls.default.as_deref())
        .with_context(|| format!("[tls] certificates = \"{}\"", directory.display()))
}

fn options(tls: &Tls, listen: &Listen) -> ServerOptions {
    ServerOptions {
        min_version: match tls.min_version {
            Oldest::Tls12 => MinVersion::Tls12,
            Oldest::Tls13 => MinVersion::Tls13,
        },
        http2: listen.http2,
        clients: match &listen.client_auth {
            None => ClientCertificates::Off,
            Some(ClientAuth { ca, required: true }) => ClientCertificates::Required(ca.clone()),
            Some(ClientAuth { ca, required: false }) => ClientCertificates::Optional(ca.clone()),
        },
    }
}

/// Reads the files again whenever they change.
fn watch(certificates: Arc<Certificates>, servers: Vec<Arc<ServerTls>>) -> TlsFiles {
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::clone(&certificates) as Arc<dyn Source>];
    sources.extend(servers.iter().map(|server| Arc::clone(server) as Arc<dyn Source>));
    let reloader = Reloader::new(sources, reload::EVERY);
    let reload = reloader.asked();
    tokio::spawn(reloader.run());
    TlsFiles { certificates, servers, reload }
}
