//! One request to a server that is not ours.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use shunt_config::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// There may be one if it is asked again.
    Later(String),
    /// There will be none.
    Never(String),
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body, if that was asked for.
    pub body: Bytes,
}

/// Sends `body`, which is of type `kind`, to `url`, and reads at most `most` bytes of what is answered;
/// with 0 it waits for the status alone. What it says of a failure names neither `url` nor `token`.
///
/// # Cancel safety
///
/// Cancelling closes the connection; the request may have arrived.
pub async fn post(
    url: &Secret,
    token: Option<&Secret>,
    kind: &'static str,
    body: String,
    most: usize,
) -> Result<Answer, Fault> {
    let never = |said: &str| Fault::Never(said.to_owned());
    let uri: Uri = url.reveal().parse().map_err(|_| never("the address is no URL"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(never("the address begins neither with https:// nor with http://")),
    };
    let host = uri.host().ok_or_else(|| never("the address names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let later = |what: &str, e: &dyn std::fmt::Display| Fault::Later(format!("{what}: {e}"));
    let stream =
        TcpStream::connect((host.as_str(), port)).await.map_err(|e| later("connect", &e))?;
    let mut request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, kind)
        .header(header::USER_AGENT, concat!("shuntctl/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let request = request.body(Full::new(Bytes::from(body)));
    let request = request.map_err(|_| never("the address or the token cannot be sent"))?;
    if tls {
        let name = ServerName::try_from(host).map_err(|_| never("no name for TLS"))?;
        let connector = TlsConnector::from(Arc::new(trust().map_err(Fault::Never)?));
        let stream = connector.connect(name, stream).await.map_err(|e| later("TLS", &e))?;
        ask(stream, request, most).await
    } else {
        ask(stream, request, most).await
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let later = |e: &dyn std::fmt::Display| Fault::Later(format!("no answer: {e}"));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| later(&e))?;
    // It goes with what is awaited here, cancelled or not.
    let mut connection = std::pin::pin!(connection);
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|e| later(&e))?;
        let status = answer.status();
        let body = match most {
            0 => Bytes::new(),
            most => {
                let read = Limited::new(answer.into_body(), most).collect().await;
                read.map_err(|e| later(&e))?.to_bytes()
            }
        };
        Ok(Answer { status, body })
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // Its error reaches whoever waits for the answer.
        _ = &mut connection => exchange.await,
    }
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
