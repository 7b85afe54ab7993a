//! One listener as its connections see it.

/// What a listener asks of a connection and what it offers.
#[derive(Clone, Debug)]
pub struct Door {
    /// Whether HTTP/2 is spoken: to clients that begin with its preface (RFC 9113 3.3), or that
    /// agree on it in the TLS handshake (RFC 7301).
    pub http2: bool,
    /// Whether a client that has ended its side is still answered. By default its end of stream
    /// cancels what runs for it: nearly always it is a client that has gone away.
    pub half_close: bool,
}

impl Default for Door {
    fn default() -> Self {
        Self { http2: true, half_close: false }
    }
}
