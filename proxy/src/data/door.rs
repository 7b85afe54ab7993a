//! One listener as its connections see it.

use std::fmt;
use std::sync::Arc;

use shunt_config::cidr::Cidrs;

use super::forwarded::Trust;
use crate::tls::ServerTls;

/// What a listener asks of a connection and what it offers.
#[derive(Clone)]
pub struct Door {
    /// Whether HTTP/2 is spoken: to clients that begin with its preface (RFC 9113 3.3), or that
    /// agree on it in the TLS handshake (RFC 7301).
    pub http2: bool,
    /// Whether a client that has ended its side is still answered. By default its end of stream
    /// cancels what runs for it: nearly always it is a client that has gone away.
    pub half_close: bool,
    /// Who is believed on where a request comes from.
    pub trust: Arc<Trust>,
    /// Who begins every connection with a PROXY protocol header, if that is expected here. A
    /// connection from anybody else is closed, and so is one without the header.
    pub proxy_protocol: Option<Cidrs>,
    /// How TLS is spoken, if it is.
    pub tls: Option<Arc<ServerTls>>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            http2: true,
            half_close: false,
            trust: Arc::new(Trust::nobody()),
            proxy_protocol: None,
            tls: None,
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("http2", &self.http2)
            .field("half_close", &self.half_close)
            .field("proxy_protocol", &self.proxy_protocol)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}
