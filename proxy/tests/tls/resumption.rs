//! Sessions that are resumed, and those that must not be.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::HandshakeKind::{Full, Resumed};
use rustls::client::{Resumption, Tls12Resumption};
use rustls::version::{TLS12, TLS13};
use shunt_proxy::tls::{Certificates, ClientCertificates, ServerOptions, ServerTls};

use crate::authority::{Authority, replace};
use crate::peer::{self, client_of, connect, listen, server};

const NAME: &str = "www.example.com";

/// A server in a thread of its own, as data threads are.
fn thread(server: &Arc<ServerTls>) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    let server = Arc::clone(server);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tell.send(listen(&server).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

#[tokio::test]
async fn a_session_begun_on_one_data_thread_is_resumed_on_another() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let server = server(&certificates, ServerOptions::default());
    let threads = [thread(&server), thread(&server)];

    let by_id = Resumption::default().tls12_resumption(Tls12Resumption::SessionIdOnly);
    let ways = [(&TLS13, Resumption::default()), (&TLS12, Resumption::default()), (&TLS12, by_id)];
    for (version, way) in ways {
        for threads in [threads, [threads[1], threads[0]]] {
            let mut client = client_of(authority.roots(), &[version]);
            client.resumption = way.clone();
            let client = Arc::new(client);
            let kinds = async |address| connect(address, NAME, &client).await.unwrap().kind;
            assert_eq!(kinds(threads[0]).await, Full, "{version:?}");
            assert_eq!(kinds(threads[1]).await, Resumed, "{version:?}");
        }
    }
}

/// A client whose sessions `of` begins and another may resume, if it is let.
fn sharing(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client_of(authority.roots(), rustls::ALL_VERSIONS))
}

#[tokio::test]
async fn a_session_without_a_certificate_opens_no_listener_that_wants_one() {
    // CVE-2025-23419.
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let file = directory.path().join("clients.pem");
    replace(&file, &authority.pem());
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let open = listen(&server(&certificates, ServerOptions::default())).await;
    let options = |clients| ServerOptions { clients, ..ServerOptions::default() };
    let required = options(ClientCertificates::Required(file.clone()));
    let closed = listen(&server(&certificates, required)).await;
    let optional = options(ClientCertificates::Optional(file));
    let asking = listen(&server(&certificates, optional)).await;

    let client = sharing(&authority);
    assert_eq!(connect(open, NAME, &client).await.unwrap().kind, Full);
    assert_eq!(connect(open, NAME, &client).await.unwrap().kind, Resumed);
    assert!(connect(closed, NAME, &client).await.is_err());

    let client = sharing(&authority);
    connect(open, NAME, &client).await.unwrap();
    assert_eq!(connect(asking, NAME, &client).await.unwrap().kind, Full);
}

#[tokio::test]
async fn sessions_outlive_a_reload_of_certificates() {
    use shunt_proxy::tls::Source;
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let address = peer::plain(&certificates).await;
    let client = sharing(&authority);
    assert_eq!(connect(address, NAME, &client).await.unwrap().kind, Full);
    let renewed = authority.issue(&[NAME]);
    renewed.write(directory.path(), "web");
    certificates.reload();
    assert_eq!(connect(address, NAME, &client).await.unwrap().kind, Resumed);
    let fresh = connect(address, NAME, &sharing(&authority)).await.unwrap();
    assert_eq!((fresh.kind, fresh.leaf), (Full, renewed.der));
}
