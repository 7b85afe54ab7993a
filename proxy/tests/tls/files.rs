//! What files are taken, and what is said of those that are not.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use shunt_proxy::tls::{Certificate, Certificates};
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Integer, OctetString, Sequence};

use crate::authority::{Authority, Leaf, Pair};
use crate::peer::{client, connect, plain};

/// The key of a PKCS #8 file by itself, as older programs write it: PKCS #1 or SEC1.
fn bare_key(pair: &Pair, label: &str) -> String {
    let base64: String = pair.key.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(base64.as_bytes()).unwrap();
    let (_, whole) = Sequence::from_der(&der).unwrap();
    let (rest, _version) = Integer::from_der(&whole.content).unwrap();
    let (rest, _algorithm) = Any::from_der(rest).unwrap();
    let (_, key) = OctetString::from_der(rest).unwrap();
    let base64 = BASE64.encode(key.as_cow());
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

fn read(directory: &Path, name: &str) -> Result<Certificate, String> {
    Certificate::read(directory, name, &shunt_proxy::tls::provider()).map_err(|e| e.to_string())
}

fn refusal(directory: &Path, name: &str) -> String {
    read(directory, name).unwrap_err()
}

#[test]
fn keys_of_every_kind_are_taken_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let at = directory.path();
    let leaf = || Leaf::new(&["www.example.com"]);
    let mut rsa = authority.sign(&leaf().rsa());
    rsa.write(at, "rsa");
    rsa.key = bare_key(&rsa, "RSA PRIVATE KEY");
    rsa.write(at, "rsa-pkcs1");
    let mut p256 = authority.sign(&leaf());
    p256.write(at, "p256");
    // What openssl writes: the parameters of the curve, and after them the key.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    p256.key = format!("{parameters}{}", bare_key(&p256, "EC PRIVATE KEY"));
    p256.write(at, "p256-sec1");
    authority.sign(&leaf().key(&rcgen::PKCS_ECDSA_P384_SHA384)).write(at, "p384");
    authority.sign(&leaf().key(&rcgen::PKCS_ECDSA_P521_SHA512)).write(at, "p521");
    authority.sign(&leaf().key(&rcgen::PKCS_ED25519)).write(at, "ed25519");
    for name in ["rsa", "rsa-pkcs1", "p256", "p256-sec1", "p384", "p521", "ed25519"] {
        let read = read(at, name).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(read.names(), ["www.example.com"], "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name_and_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let at = directory.path();
    let good = authority.issue(&["www.example.com"]);
    let with = |chain: &str, key: &str| {
        fs::write(at.join("web.crt"), chain).unwrap();
        fs::write(at.join("web.key"), key).unwrap();
        refusal(at, "web")
    };
    let other = authority.issue(&["www.example.com"]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let turned = format!("{}{}", authority.pem(), good.chain);
    let torn = good.chain.replace("-----END", "----END");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        (with("", &good.key), "web.crt", "there is no certificate in it"),
        (with(&good.key, &good.key), "web.crt", "there is no certificate in it"),
        (with(&torn, &good.key), "web.crt", "certificate 1"),
        (with(garbage, &good.key), "web.crt", "certificate 1"),
        (with(&format!("{}{garbage}", good.chain), &good.key), "web.crt", "certificate 2"),
        (with(&good.chain, ""), "web.key", "there is no key in it"),
        (with(&good.chain, encrypted), "web.key", "openssl pkey"),
        (with(&good.chain, no_key), "web.key", "cannot be used"),
        (with(&good.chain, &other.key), "web.key", "belongs to another certificate"),
        (with(&turned, &good.key), "web.key", "has to be the first"),
    ];
    for (said, file, problem) in cases {
        assert!(said.contains(&at.join(file).display().to_string()), "{file}: {said}");
        assert!(said.contains(problem), "{problem}: {said}");
    }
    fs::write(at.join("web.crt"), "x".repeat(2 << 20)).unwrap();
    assert!(refusal(at, "web").contains("longer than"));
    fs::remove_file(at.join("web.key")).unwrap();
    good.write(at, "web");
    fs::remove_file(at.join("web.key")).unwrap();
    let said = refusal(at, "web");
    assert!(said.contains("web.key is missing") && said.contains("web.crt"), "{said}");
}

#[tokio::test]
async fn one_bad_certificate_takes_no_other_out_of_service() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    let good = authority.issue(&["www.example.com"]);
    good.write(directory.path(), "good");
    fs::write(directory.path().join("bad.crt"), "x").unwrap();
    fs::write(directory.path().join("lonely.key"), &good.key).unwrap();
    fs::write(directory.path().join(".hidden.crt"), "x").unwrap();
    fs::write(directory.path().join("README"), "x").unwrap();

    let certificates = Certificates::open(directory.path(), None).unwrap();
    let address = plain(&certificates).await;
    let seen = connect(address, "www.example.com", &client(authority.roots())).await.unwrap();
    assert_eq!(seen.leaf, good.der);
    let state = certificates.state();
    let shown: Vec<_> = state
        .certificates
        .iter()
        .map(|one| (one.name.as_str(), one.not_after.is_some(), one.error.is_some()))
        .collect();
    assert_eq!(shown, [("bad", false, true), ("good", true, false), ("lonely", false, true)]);
    assert_eq!(certificates.refused(), 2);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Certificates::open(&directory.path().join("none"), None).is_err());
}
