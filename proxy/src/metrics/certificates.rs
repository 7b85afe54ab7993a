//! What `/metrics` shows of certificates, put together at each scrape. A proxy without TLS does not
//! register it, and has none of these families.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::catalog as of;
use super::families::{Series, float};
use crate::tls::{Certificates, ServerTls};

/// The collector of certificates and of client authorities.
#[derive(Debug)]
pub struct CertificatesCollector {
    descs: Vec<Desc>,
    certificates: Arc<Certificates>,
    listeners: Vec<Arc<ServerTls>>,
}

impl CertificatesCollector {
    /// A collector of `certificates` and of what the `listeners` read beside them.
    pub fn new(
        certificates: Arc<Certificates>,
        listeners: Vec<Arc<ServerTls>>,
    ) -> prometheus::Result<Self> {
        let descs =
            of::CERTIFICATES.iter().map(|family| family.desc()).collect::<Result<_, _>>()?;
        Ok(Self { descs, certificates, listeners })
    }
}

impl Collector for CertificatesCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut ends = Series::of(&of::CERTIFICATE_NOT_AFTER);
        let mut refused = Series::of(&of::CERTIFICATE_REFUSED);
        for certificate in &self.certificates.state().certificates {
            if let Some(end) = certificate.not_after {
                ends.add(&[&certificate.name], end.as_duration().as_secs_f64());
            }
            if certificate.error.is_some() {
                refused.add(&[&certificate.name], 1.0);
            }
        }
        let listeners: u64 = self.listeners.iter().map(|listener| listener.refused()).sum();
        let mut failures = Series::of(&of::CERTIFICATE_FAILURES);
        failures.add(&[], float(self.certificates.refused() + listeners));
        let all = [ends, refused, failures].into_iter().map(Series::finish);
        // An empty family is a mistake to whoever reads the text.
        all.filter(|family| !family.get_metric().is_empty()).collect()
    }
}
