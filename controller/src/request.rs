//! One request to a server that is not ours.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
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
/// with 0 it waits for the status alone. A user and a password in `url` are shown as RFC 7617 says, unless
/// there is a `token`. What it says of a failure names neither `url` nor `token`.
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
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Who asks is no part of whom is asked (RFC 9110 4.2.4).
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let later = |what: &str, e: &dyn std::fmt::Display| Fault::Later(format!("{what}: {e}"));
    let stream =
        TcpStream::connect((host.as_str(), port)).await.map_err(|e| later("connect", &e))?;
    let mut request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, place)
        .header(header::CONTENT_TYPE, kind)
        .header(header::USER_AGENT, concat!("shuntctl/", env!("CARGO_PKG_VERSION")));
    let shown = token.map(|token| format!("Bearer {}", token.reveal())).or_else(|| basic(user?));
    if let Some(shown) = shown {
        request = request.header(header::AUTHORIZATION, shown);
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

/// `Basic` for the `user:password` of an address, where it is text.
fn basic(user: &str) -> Option<String> {
    let user = percent_decoded(user)?;
    // Without a password it has an empty one.
    let colon = if user.contains(&b':') { "" } else { ":" };
    let pair = [user.as_slice(), colon.as_bytes()].concat();
    Some(format!("Basic {}", BASE64.encode(&pair)))
}

/// The bytes that `text` stands for; `None` where a `%` begins no byte.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The lower-case head of what `url`, with `HOST` for a server, is asked with.
    async fn head(url: &str, token: Option<&str>) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (url, token) = (Secret::new(url.replace("HOST", &host)), token.map(Secret::new));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.contains("\r\n\r\n") {
                let mut piece = [0; 1024];
                let n = stream.read(&mut piece).await.unwrap();
                text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            text
        };
        let asked = post(&url, token.as_ref(), "text/plain", String::new(), 0);
        let (text, answer) = tokio::join!(server, asked);
        assert_eq!(answer.unwrap().status, StatusCode::OK);
        (text, host)
    }

    #[tokio::test]
    async fn a_user_in_an_address_is_shown_as_one_and_is_no_part_of_the_host() {
        for (url, token, shown) in [
            ("http://ann:s%3acret@HOST/x", None, Some("Basic YW5uOnM6Y3JldA==")),
            ("http://ann@HOST/x", None, Some("Basic YW5uOg==")),
            ("http://ann:secret@HOST/x", Some("t0ken"), Some("Bearer t0ken")),
            ("http://HOST/x", None, None),
        ] {
            let (head, host) = head(url, token).await;
            assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
            let line = head.lines().find_map(|line| line.strip_prefix("authorization: "));
            assert_eq!(line, shown, "{url}");
        }
        assert_eq!(basic("a%zz"), None);
    }
}
