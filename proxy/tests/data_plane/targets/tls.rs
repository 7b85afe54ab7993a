//! Targets that speak TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use shunt_proxy::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::client::{head_end, within};
use crate::proxy::Proxy;

/// The name in the target's certificate.
const NAME: &str = "app.internal";

/// A target that speaks TLS, with a certificate of its own making.
struct Target {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    directory: tempfile::TempDir,
}

impl Target {
    async fn speaking(alpn: &[&[u8]]) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), cert.pem()).unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            directory,
        }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// A release of it, believed on the word of `ca` for `name`.
    fn spec(&self, protocol: &str, ca: &str, name: &str) -> String {
        let ca = self.directory.path().join(ca);
        format!(
            r#"{{"protocol":"{protocol}","targets":["{}"],"tls":{{"ca":"{}","server_name":"{name}"}}}}"#,
            self.address(),
            ca.display()
        )
    }

    async fn accept(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (stream, _) = within("the proxy connects", self.listener.accept()).await.unwrap();
        within("a handshake", self.acceptor.accept(stream)).await
    }
}

async fn head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut read = Vec::new();
    while head_end(&read).is_none() {
        assert_ne!(within("a head", stream.read_buf(&mut read)).await.unwrap(), 0);
    }
    String::from_utf8(read).unwrap().to_lowercase()
}

#[tokio::test]
async fn requests_go_over_tls_on_a_kept_connection() {
    let target = Target::speaking(&[b"h2", b"http/1.1"]).await;
    let proxy = Proxy::start();
    proxy.flip(&proxy.announce("first", &target.spec("https", "ca.pem", NAME)).await);
    let mut client = proxy.client().await;
    client.write("GET /1 HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await;
    let mut conn = target.accept().await.unwrap();
    assert_eq!(conn.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(conn.get_ref().1.server_name(), Some(NAME));
    for n in 1..3 {
        let head = head(&mut conn).await;
        assert!(head.starts_with(&format!("get /{n} http/1.1\r\nhost: www.example.com")), "{head}");
        conn.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(client.answer().await.body, "ok");
        client.write("GET /2 HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await;
    }
}

#[tokio::test]
async fn http_2_has_to_be_agreed_on() {
    let target = Target::speaking(&[b"h2"]).await;
    let proxy = Proxy::start();
    proxy.flip(&proxy.announce("first", &target.spec("h2", "ca.pem", NAME)).await);
    let mut client = proxy.client().await;
    client.write("GET /1 HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await;
    let mut served = h2::server::handshake(target.accept().await.unwrap()).await.unwrap();
    let (request, mut answer) = within("a request", served.accept()).await.unwrap().unwrap();
    assert_eq!(request.uri(), "https://www.example.com/1");
    answer.send_response(http::Response::new(()), true).unwrap();
    let driven = tokio::spawn(async move { served.accept().await.is_none() });
    assert_eq!(client.answer().await.status(), 200);
    driven.abort();

    let old = Target::speaking(&[]).await;
    proxy.flip(&proxy.announce("second", &old.spec("h2", "ca.pem", NAME)).await);
    client.write("GET /2 HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await;
    let (_first, _second) = (old.accept().await, old.accept().await);
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn a_target_with_another_name_gets_no_request() {
    let target = Target::speaking(&[]).await;
    let proxy = Proxy::start();
    proxy.flip(&proxy.announce("first", &target.spec("https", "ca.pem", "other.internal")).await);
    let mut client = proxy.client().await;
    client.write("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _try in 0..2 {
        target.accept().await.unwrap_err();
    }
    assert_eq!(client.answer().await.status(), 502);
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_named_and_read_once_they_can() {
    let target = Target::speaking(&[]).await;
    let proxy = Proxy::start();
    let release = proxy.release_of("first", &target.spec("https", "later.pem", NAME));
    let missing = release.reach.prepare().await.unwrap_err();
    assert!(missing.contains("later.pem"), "{missing}");
    let file = |name: &str| target.directory.path().join(name);
    std::fs::copy(file("ca.pem"), file("later.pem")).unwrap();
    release.reach.prepare().await.unwrap();
    proxy.flip(&release);
    let mut client = proxy.client().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut conn = target.accept().await.unwrap();
    head(&mut conn).await;
    conn.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.status(), 204);
}

#[tokio::test]
async fn a_tunnel_goes_through_tls_too() {
    let target = Target::speaking(&[]).await;
    let proxy = Proxy::start();
    proxy.flip(&proxy.announce("first", &target.spec("https", "ca.pem", NAME)).await);
    let mut client = proxy.client().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    let mut conn = target.accept().await.unwrap();
    let asked = head(&mut conn).await;
    assert!(asked.contains("upgrade: echo\r\n"), "{asked}");
    conn.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly",
    )
    .await
    .unwrap();
    client.expect("early").await;
    client.write("word").await;
    let mut word = [0; 4];
    within("a word", conn.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"word");
    conn.write_all(b"answer").await.unwrap();
    client.expect("answer").await;
}
