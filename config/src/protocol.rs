//! What targets speak, and what they are told before they do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::address::is_host;
use crate::strict::Mistake;

/// What a target speaks. Its health checks speak it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 in the clear.
    #[default]
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2 in the clear, by prior knowledge (RFC 9113 3.3).
    #[serde(rename = "h2c")]
    H2c,
    /// HTTP/1.1 over TLS.
    #[serde(rename = "https")]
    Https,
    /// HTTP/2 over TLS.
    #[serde(rename = "h2")]
    H2,
}

impl Protocol {
    /// Whether it goes over TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// Whether it is HTTP/2: one connection carries many requests at a time.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

/// How targets prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetTls {
    /// File of the certificate authority on each proxy's machine, PEM; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The name that is asked for and must be in the certificate; by default the target's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl TargetTls {
    /// Checks what the types alone do not.
    pub fn validate(&self) -> Result<(), Mistake> {
        if let Some(ca) = self.ca.as_ref().filter(|ca| !ca.is_absolute()) {
            let said = format!("`tls.ca`: `{}` is not absolute", ca.display());
            return Err(Mistake::new(said));
        }
        match &self.server_name {
            Some(name) if !is_host(name) => {
                Err(Mistake::new(format!("`tls.server_name`: `{name}` is no host name")))
            }
            _ => Ok(()),
        }
    }
}

/// Version of the PROXY header that tells a target who the client is.
///
/// It stands once at the head of a connection, so with it a connection serves the requests of one
/// client connection only and is closed with it: it is never kept for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}
