//! One request that tells something.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use shunt_config::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one request may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Why it did not arrive.
#[derive(Debug)]
pub(super) enum Refused {
    /// It may, if it is sent again.
    Later(String),
    /// It will not.
    Never(String),
}

/// Sends `body` to `url`. What it says of a failure never names the address.
pub(super) async fn post(url: &Secret, body: String) -> Result<(), Refused> {
    let never = |said: &str| Refused::Never(said.to_owned());
    let uri: Uri = url.reveal().parse().map_err(|_| never("the address is no URL"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(never("the address begins neither with https:// nor with http://")),
    };
    let host = uri.host().ok_or_else(|| never("the address names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let later = |what: &str, e: &dyn std::fmt::Display| Refused::Later(format!("{what}: {e}"));
    let stream =
        TcpStream::connect((host.as_str(), port)).await.map_err(|e| later("connect", &e))?;
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("shuntctl/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| never("the address cannot be sent"))?;
    let status = if tls {
        let name = ServerName::try_from(host).map_err(|_| never("no name for TLS"))?;
        let connector = TlsConnector::from(Arc::new(trust().map_err(Refused::Never)?));
        let stream = connector.connect(name, stream).await.map_err(|e| later("TLS", &e))?;
        ask(stream, request).await
    } else {
        ask(stream, request).await
    };
    let status = status.map_err(|e| later("no answer", &e))?;
    match status {
        status if status.is_success() => Ok(()),
        // Too many, or a failure of theirs: it may pass.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Refused::Later(status.to_string()))
        }
        status if status.is_server_error() => Err(Refused::Later(status.to_string())),
        status => Err(Refused::Never(status.to_string())),
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let status = sender.send_request(request).await.map(|answer| answer.status());
    connection.abort();
    status
}

/// Trusts whom this machine trusts.
fn trust() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
