//! Which certificate a client is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{ClientConfig, RootCertStore};
use shunt_proxy::tls::{self, Certificates};

use crate::authority::{Authority, Leaf, Pair};
use crate::peer::{client, connect, plain};

/// 2026-01-01, within the years that leaves are valid in.
const NOW: i64 = 1_767_225_600;

fn open(directory: &Path, default: Option<&str>) -> Arc<Certificates> {
    Certificates::open(directory, default).unwrap()
}

/// The file name of the certificate for `name`.
fn chosen(directory: &Path, default: Option<&str>, name: Option<&str>) -> String {
    let certificates = open(directory, default);
    certificates.table().find(name, NOW, |_| true).unwrap().name().to_owned()
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let pairs: Vec<(&str, Pair)> = [
        ("a.example.com", "a.example.com"),
        ("*.example.com", "wild"),
        ("www.example.org", "other"),
    ]
    .map(|(name, file)| {
        let pair = authority.issue(&[name]);
        pair.write(directory.path(), file);
        (file, pair)
    })
    .into();
    let address = plain(&open(directory.path(), None)).await;
    let client = client(authority.roots());
    for (name, file) in [
        ("a.example.com", "a.example.com"),
        ("b.example.com", "wild"),
        ("www.example.org", "other"),
    ] {
        let seen = connect(address, name, &client).await.unwrap();
        let (_, pair) = pairs.iter().find(|(of, _)| *of == file).unwrap();
        assert_eq!(seen.leaf, pair.der, "{name}");
    }
    // The client is told by the certificate itself that the name is none of ours.
    let refused = connect(address, "x.y.example.com", &client).await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[test]
fn names_are_compared_without_case_and_a_wildcard_stands_for_one_label() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&["default.test"]).write(directory.path(), "default");
    authority.issue(&["A.Example.com"]).write(directory.path(), "exact");
    authority.issue(&["*.example.com"]).write(directory.path(), "wild");
    let cases = [
        ("a.example.com", "exact"),
        ("A.EXAMPLE.COM", "exact"),
        ("a.example.com.", "exact"),
        ("b.Example.com", "wild"),
        ("example.com", "default"),
        (".example.com", "default"),
        ("x.b.example.com", "default"),
        ("*.example.com", "wild"),
        ("a.example.comm", "default"),
        ("", "default"),
        (".", "default"),
        ("..", "default"),
    ];
    let certificates = open(directory.path(), None);
    let table = certificates.table();
    for (name, is) in [("a.example.com", true), ("b.example.com", true), ("b.example.org", false)] {
        assert_eq!(table.is_for(name), is, "{name}: the default one is not for it");
    }
    for (name, file) in cases {
        assert_eq!(chosen(directory.path(), Some("default"), Some(name)), file, "{name:?}");
    }
    let long = format!("{}.example.com", "a".repeat(300));
    assert_eq!(chosen(directory.path(), Some("default"), Some(&long)), "default");
}

#[test]
fn the_default_is_the_one_that_is_named_or_else_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&["a.test"]).write(directory.path(), "a");
    authority.issue(&["b.test"]).write(directory.path(), "b");
    for name in [None, Some("nobody.test")] {
        assert_eq!(chosen(directory.path(), Some("b"), name), "b");
        assert_eq!(chosen(directory.path(), None, name), "a");
        assert_eq!(chosen(directory.path(), Some("missing"), name), "a");
    }
}

#[test]
fn a_certificate_of_the_wrong_time_is_shown_only_where_nothing_better_is() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let write = |leaf: Leaf, file: &str| authority.sign(&leaf).write(directory.path(), file);
    write(Leaf::new(&["z.test"]), "default");
    write(Leaf::new(&["a.example.com"]).years(2001, 2002), "exact-past");
    assert_eq!(chosen(directory.path(), Some("default"), Some("a.example.com")), "exact-past");
    write(Leaf::new(&["*.example.com"]), "wild");
    assert_eq!(chosen(directory.path(), Some("default"), Some("a.example.com")), "wild");
    write(Leaf::new(&["a.example.com"]).years(2025, 2030), "exact-now");
    assert_eq!(chosen(directory.path(), Some("default"), Some("a.example.com")), "exact-now");
    // Of several that are valid the one that ends last: the renewed one.
    write(Leaf::new(&["a.example.com"]).years(2025, 2031), "exact-renewed");
    write(Leaf::new(&["a.example.com"]).years(2040, 2050), "exact-future");
    assert_eq!(chosen(directory.path(), Some("default"), Some("a.example.com")), "exact-renewed");
}

/// A client that verifies only `schemes` of the server's own signature.
fn client_with(roots: RootCertStore, schemes: &[SignatureScheme]) -> Arc<ClientConfig> {
    let mut provider = (*tls::provider()).clone();
    let all = provider.signature_verification_algorithms;
    let mapping = all.mapping.iter().filter(|(scheme, _)| schemes.contains(scheme)).copied();
    provider.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: all.all, mapping: Vec::leak(mapping.collect()) };
    let provider = Arc::new(provider);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_webpki_verifier(verifier.build().unwrap())
        .with_no_client_auth();
    Arc::new(config)
}

#[tokio::test]
async fn of_two_for_one_name_a_client_is_shown_the_one_whose_signature_it_can_verify() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let rsa = authority.sign(&Leaf::new(&["www.example.com"]).rsa());
    let ecdsa = authority.issue(&["www.example.com"]);
    let ed25519 = authority.sign(&Leaf::new(&["ed.example.com"]).key(&rcgen::PKCS_ED25519));
    rsa.write(directory.path(), "a-rsa");
    ecdsa.write(directory.path(), "b-ecdsa");
    ed25519.write(directory.path(), "c-ed25519");
    let address = plain(&open(directory.path(), None)).await;
    let only = |schemes: &[SignatureScheme]| client_with(authority.roots(), schemes);
    let rsa_only = only(&[SignatureScheme::RSA_PSS_SHA256]);
    let any = client(authority.roots());

    let leaf = async |name: &str, client| connect(address, name, client).await.unwrap().leaf;
    assert_eq!(leaf("www.example.com", &rsa_only).await, rsa.der);
    assert_eq!(leaf("www.example.com", &any).await, ecdsa.der);
    assert_eq!(leaf("ed.example.com", &any).await, ed25519.der);
    // Without a name of its own it is shown the default one in the kind it can verify.
    let nobody = only(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
    let refused = connect(address, "nobody.test", &nobody).await.unwrap_err().to_string();
    assert!(refused.contains("www.example.com"), "{refused}");
    // None that it can verify: the handshake fails, it is not shown one that it cannot.
    let none = only(&[SignatureScheme::ECDSA_NISTP521_SHA512]);
    let refused = connect(address, "www.example.com", &none).await.unwrap_err().to_string();
    assert!(!refused.contains("not valid for name"), "{refused}");
}
