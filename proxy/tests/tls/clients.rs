//! Clients with certificates.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use rcgen::DnType;
use rustls::ClientConfig;
use rustls::HandshakeKind::{Full, Resumed};
use shunt_proxy::tls::{
    Certificates, ClientCertificates, ServerOptions, ServerTls, Source, provider,
};

use crate::authority::{Authority, Leaf, Pair, replace};
use crate::peer::{client, connect, listen, server};

const NAME: &str = "www.example.com";

/// A server, the authority of its own certificate, and a file with that of clients'.
struct Site {
    directory: tempfile::TempDir,
    servers: Authority,
    clients: Authority,
    certificates: Arc<Certificates>,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        servers.issue(&[NAME]).write(directory.path(), "web");
        replace(&directory.path().join("clients.pem"), &clients.pem());
        let certificates = Certificates::open(directory.path(), None).unwrap();
        Self { directory, servers, clients, certificates }
    }

    fn server(&self, clients: impl Fn(std::path::PathBuf) -> ClientCertificates) -> Arc<ServerTls> {
        let clients = clients(self.directory.path().join("clients.pem"));
        server(&self.certificates, ServerOptions { clients, ..ServerOptions::default() })
    }

    /// A client that shows `pair`, or nothing.
    fn client(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        let Some(pair) = pair else { return client(self.servers.roots()) };
        let (chain, key) = pair.identity();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.servers.roots())
            .with_client_auth_cert(chain, key);
        Arc::new(config.unwrap())
    }
}

#[tokio::test]
async fn where_a_certificate_is_required_only_a_good_one_opens() {
    let site = Site::new();
    let address = listen(&site.server(ClientCertificates::Required)).await;
    let good = site.clients.issue(&["client.test"]);
    let foreign = Authority::new("others").issue(&["client.test"]);
    let past = site.clients.sign(&Leaf::new(&["client.test"]).years(2001, 2002));

    let seen = connect(address, NAME, &site.client(Some(&good))).await.unwrap();
    assert!(seen.headers.contains("client-cert: :"), "{}", seen.headers);
    for (pair, alert) in [
        (None, "CertificateRequired"),
        (Some(&foreign), "UnknownCA"),
        (Some(&past), "CertificateExpired"),
    ] {
        let refused = connect(address, NAME, &site.client(pair)).await.unwrap_err().to_string();
        assert!(refused.contains(alert), "{alert}: {refused}");
    }
}

#[tokio::test]
async fn where_a_certificate_is_optional_none_is_fine_and_a_bad_one_is_not() {
    let site = Site::new();
    let address = listen(&site.server(ClientCertificates::Optional)).await;
    let good = site.clients.issue(&["client.test"]);
    let foreign = Authority::new("others").issue(&["client.test"]);

    let seen = connect(address, NAME, &site.client(None)).await.unwrap();
    assert_eq!(seen.headers, "");
    let seen = connect(address, NAME, &site.client(Some(&good))).await.unwrap();
    assert!(seen.headers.contains("client-cert: :"), "{}", seen.headers);
    assert!(connect(address, NAME, &site.client(Some(&foreign))).await.is_err());
}

#[tokio::test]
async fn where_no_certificate_is_asked_for_none_is_told_of() {
    let site = Site::new();
    let address = listen(&site.server(|_| ClientCertificates::Off)).await;
    let good = site.clients.issue(&["client.test"]);
    let seen = connect(address, NAME, &site.client(Some(&good))).await.unwrap();
    assert_eq!(seen.headers, "");
}

#[tokio::test]
async fn what_targets_are_told_is_the_certificate_its_fingerprint_and_its_subject() {
    let site = Site::new();
    let address = listen(&site.server(ClientCertificates::Required)).await;
    let mut leaf = Leaf::new(&["client.test"]);
    let name = &mut leaf.params.distinguished_name;
    *name = rcgen::DistinguishedName::new();
    name.push(DnType::CountryName, "DE");
    name.push(DnType::OrganizationName, "Acme, \"Inc\"; <x>+y=z\\ ");
    name.push(DnType::OrganizationalUnitName, " #Zürich\r\n");
    name.push(DnType::CustomDnType(vec![2, 5, 4, 65]), "nym");
    name.push(DnType::CommonName, "#client");
    let pair = site.clients.sign(&leaf);
    let client = site.client(Some(&pair));

    let subject = "CN=\\#client,2.5.4.65=#0c036e796d,OU=\\ #Z\\C3\\BCrich\\0D\\0A,\
                   O=Acme\\, \\22Inc\\22\\; \\<x\\>\\+y\\=z\\5C\\ ,C=DE";
    let hash = HEXLOWER.encode(digest(&SHA256, &pair.der).as_ref());
    let certificate = BASE64.encode(&pair.der);
    let expected = format!(
        "client-cert: :{certificate}:\nx-forwarded-client-cert: Hash={hash};Subject=\"{subject}\"\n"
    );
    let seen = connect(address, NAME, &client).await.unwrap();
    assert_eq!((seen.headers, seen.kind), (expected.clone(), Full));
    // Of a resumed session the same is known.
    let seen = connect(address, NAME, &client).await.unwrap();
    assert_eq!((seen.headers, seen.kind), (expected, Resumed));
}

#[tokio::test]
async fn other_authorities_of_clients_hold_at_once_also_for_sessions_begun_before() {
    let site = Site::new();
    let server = site.server(ClientCertificates::Required);
    let address = listen(&server).await;
    let next = Authority::new("next");
    let file = site.directory.path().join("clients.pem");
    let (old, new) = (site.clients.issue(&["client.test"]), next.issue(&["client.test"]));
    let (old, new) = (site.client(Some(&old)), site.client(Some(&new)));
    connect(address, NAME, &old).await.unwrap();
    assert!(connect(address, NAME, &new).await.is_err());

    // What cannot be used changes nothing, and says so.
    replace(&file, "x");
    server.reload();
    server.reload();
    assert!(server.error().is_some_and(|e| names(&e, &file)), "{:?}", server.error());
    assert_eq!(server.refused(), 1);
    assert_eq!(connect(address, NAME, &old).await.unwrap().kind, Resumed);

    replace(&file, &next.pem());
    server.reload();
    assert_eq!(server.error(), None);
    connect(address, NAME, &new).await.unwrap();
    let refused = connect(address, NAME, &old).await.unwrap_err().to_string();
    assert!(refused.contains("UnknownCA"), "{refused}");
}

#[test]
fn a_listener_without_authorities_for_its_clients_does_not_begin() {
    let site = Site::new();
    let file = site.directory.path().join("missing.pem");
    let clients = ClientCertificates::Required(file.clone());
    let options = ServerOptions { clients, ..ServerOptions::default() };
    let refused = ServerTls::new(&site.certificates, options).unwrap_err().to_string();
    assert!(names(&refused, &file), "{refused}");
}

fn names(message: &str, file: &Path) -> bool {
    message.contains(&file.display().to_string())
}
