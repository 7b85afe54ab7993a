//! What is shown of certificates.

use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};
use rcgen::date_time_ymd;
use shunt_proxy::metrics::CertificatesCollector;
use shunt_proxy::tls::{Certificates, ClientCertificates, ServerOptions, ServerTls, Source};

use crate::authority::{Authority, Leaf, replace};

fn scrape(registry: &Registry) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn metrics_show_when_certificates_end_and_which_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.sign(&Leaf::new(&["a.test"]).years(2025, 2031)).write(directory.path(), "a");
    replace(&directory.path().join("bad.crt"), "x");
    let file = directory.path().join("clients.pem");
    replace(&file, &authority.pem());
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let clients = ClientCertificates::Optional(file.clone());
    let options = ServerOptions { clients, ..ServerOptions::default() };
    let listener = Arc::new(ServerTls::new(&certificates, options).unwrap());
    let registry = Registry::new();
    let collector =
        CertificatesCollector::new(Arc::clone(&certificates), vec![Arc::clone(&listener)]);
    registry.register(Box::new(collector.unwrap())).unwrap();

    let end = date_time_ymd(2031, 1, 1).unix_timestamp();
    let shown = scrape(&registry);
    for line in [
        format!("shunt_certificate_not_after_timestamp_seconds{{certificate=\"a\"}} {end}"),
        "shunt_certificate_refused{certificate=\"bad\"} 1".to_owned(),
        "shunt_certificate_reload_failures_total 1".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }

    replace(&file, "x");
    listener.reload();
    authority.issue(&["b.test"]).write(directory.path(), "bad");
    certificates.reload();
    let shown = scrape(&registry);
    assert!(!shown.contains("shunt_certificate_refused{"), "{shown}");
    assert!(shown.contains("shunt_certificate_reload_failures_total 2"), "{shown}");
}
