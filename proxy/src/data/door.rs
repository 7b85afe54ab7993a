//! One listener as its connections see it.

use std::sync::Arc;

use super::forwarded::Trust;

/// What a listener asks of a connection and what it offers.
#[derive(Clone, Debug)]
pub struct Door {
    /// Whether HTTP/2 is spoken: to clients that begin with its preface (RFC 9113 3.3), or that
    /// agree on it in the TLS handshake (RFC 7301).
    pub http2: bool,
    /// Whether a client that has ended its side is still answered. By default its end of stream
    /// cancels what runs for it: nearly always it is a client that has gone away.
    pub half_close: bool,
    /// Who is believed on where a request comes from.
    pub trust: Arc<Trust>,
}

impl Default for Door {
    fn default() -> Self {
        Self { http2: true, half_close: false, trust: Arc::new(Trust::nobody()) }
    }
}
