//! TLS towards targets.

use std::sync::Arc;

use rustls::HandshakeKind::{Full, Resumed};
use rustls::ServerConfig;
use shunt_proxy::tls::client::server_name;
use shunt_proxy::tls::{Certificates, ClientOptions, Roots, provider};

use crate::authority::{Authority, replace};
use crate::peer::{connect, plain, serve};

const NAME: &str = "app.internal";

#[tokio::test]
async fn a_target_is_believed_for_its_name_and_its_authority_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    authority.issue(&[NAME, "127.0.0.1"]).write(directory.path(), "web");
    let address = plain(&Certificates::open(directory.path(), None).unwrap()).await;
    let file = directory.path().join("targets.pem");
    let config = |roots| ClientOptions { roots, http2: false }.config();

    // The other one beside it does no harm: a file may hold several.
    replace(&file, &format!("{}{}", other.pem(), authority.pem()));
    let own = config(Roots::File(file.clone())).unwrap();
    assert_eq!(connect(address, NAME, &own).await.unwrap().kind, Full);
    assert_eq!(connect(address, NAME, &own).await.unwrap().kind, Resumed);
    connect(address, "127.0.0.1", &own).await.unwrap();
    let refused = connect(address, "other.internal", &own).await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name \"other.internal\""), "{refused}");

    replace(&file, &other.pem());
    for roots in [Roots::File(file), Roots::System] {
        let foreign = config(roots.clone()).unwrap();
        let refused = connect(address, NAME, &foreign).await.unwrap_err().to_string();
        assert!(refused.contains("UnknownIssuer"), "{roots:?}: {refused}");
    }
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets.pem");
    let options = ClientOptions { roots: Roots::File(file.clone()), http2: false };
    let refused = options.config().unwrap_err().to_string();
    assert!(refused.contains(&file.display().to_string()), "{refused}");
    replace(&file, "x");
    let refused = options.config().unwrap_err().to_string();
    assert!(refused.contains("there is no certificate in it"), "{refused}");
}

#[tokio::test]
async fn a_target_that_is_asked_for_http_2_has_to_agree_on_it() {
    let authority = Authority::new("authority");
    let pair = authority.issue(&[NAME]);
    let target = async |alpn: &[&str]| {
        let (chain, key) = pair.identity();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        let config = Arc::new(config);
        serve(move || Arc::clone(&config)).await
    };
    let both = target(&["http/1.1", "h2"]).await;
    let old = target(&["http/1.1"]).await;
    let silent = target(&[]).await;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets.pem");
    replace(&file, &authority.pem());
    let agrees = async |http2, address| {
        let options = ClientOptions { roots: Roots::File(file.clone()), http2 };
        let seen = connect(address, NAME, &options.config().unwrap()).await;
        seen.is_ok_and(|seen| options.agreed(seen.alpn.as_deref()))
    };
    assert!(agrees(true, both).await);
    assert!(!agrees(true, old).await);
    assert!(!agrees(true, silent).await);
    for address in [both, old, silent] {
        assert!(agrees(false, address).await);
    }
}

#[test]
fn a_target_is_named_by_a_dns_name_or_an_address() {
    for (name, as_asked) in [
        ("app.internal", "app.internal"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ] {
        assert_eq!(server_name(name).unwrap().to_str(), as_asked);
    }
    for name in ["", "a b", "app:443", "[app]x", "-"] {
        let refused = server_name(name).unwrap_err().to_string();
        assert!(refused.contains(&format!("\"{name}\"")), "{refused}");
    }
}
