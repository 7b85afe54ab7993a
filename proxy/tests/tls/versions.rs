//! Versions of TLS and protocols on top of it.

use std::sync::Arc;

use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};
use shunt_proxy::tls::{Certificates, MinVersion, ServerOptions};

use crate::authority::Authority;
use crate::peer::{client_of, connect, listen, server};

const NAME: &str = "www.example.com";

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_1_2_not_where_it_is_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let both = listen(&server(&certificates, ServerOptions::default())).await;
    let options = ServerOptions { min_version: MinVersion::Tls13, ..ServerOptions::default() };
    let new = listen(&server(&certificates, options)).await;

    let client = |versions: &[_]| Arc::new(client_of(authority.roots(), versions));
    let (old_client, new_client) = (client(&[&TLS12]), client(&[&TLS12, &TLS13]));
    assert_eq!(connect(both, NAME, &old_client).await.unwrap().version, TLSv1_2);
    assert_eq!(connect(both, NAME, &new_client).await.unwrap().version, TLSv1_3);
    assert_eq!(connect(new, NAME, &new_client).await.unwrap().version, TLSv1_3);
    let refused = connect(new, NAME, &old_client).await.unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
}

#[tokio::test]
async fn http_2_is_agreed_on_where_it_is_offered_and_what_nobody_speaks_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let options = |http2| ServerOptions { http2, ..ServerOptions::default() };
    let with = listen(&server(&certificates, options(true))).await;
    let without = listen(&server(&certificates, options(false))).await;

    let agreed = async |address, offers: &[&str]| {
        let mut client = client_of(authority.roots(), rustls::ALL_VERSIONS);
        client.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
        let seen = connect(address, NAME, &Arc::new(client)).await.map_err(|e| e.to_string())?;
        Ok(seen.alpn.map(|alpn| String::from_utf8(alpn).unwrap()))
    };
    let some = |alpn: &str| Ok(Some(alpn.to_owned()));
    assert_eq!(agreed(with, &["http/1.1", "h2"]).await, some("h2"));
    assert_eq!(agreed(with, &["http/1.1"]).await, some("http/1.1"));
    assert_eq!(agreed(without, &["h2", "http/1.1"]).await, some("http/1.1"));
    assert_eq!(agreed(with, &[]).await, Ok(None));
    for (address, offer) in [(with, "spdy/3"), (without, "h2")] {
        let refused: Result<_, String> = agreed(address, &[offer]).await;
        // RFC 7301, 3.2.
        assert!(
            refused.as_ref().is_err_and(|e| e.contains("NoApplicationProtocol")),
            "{refused:?}"
        );
    }
}
