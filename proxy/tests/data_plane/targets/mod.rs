//! What targets speak beside HTTP/1.1 in the clear.

mod http2;
mod proxy_protocol;
mod tls;
