//! A Prometheus that asks proxies for their metrics.

use tempfile::TempDir;
use tokio::process::Command;

use crate::ask;
use crate::{Port, Process, Proxy, until};

/// A Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    port: Port,
    _process: Process,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that asks `proxies` every half second, and waits until it can be asked.
    pub async fn of(proxies: &[Proxy]) -> Self {
        let (port, directory) = (Port::free(), TempDir::with_prefix("shunt-prometheus-").unwrap());
        let targets: Vec<_> = proxies.iter().map(|proxy| proxy.admin().to_string()).collect();
        let text = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\n\
             scrape_configs: [{{job_name: shunt, static_configs: [{{targets: {targets:?}}}]}}]\n"
        );
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={}", port.address()))
            .arg("--log.level=warn");
        let process = Process::start("prometheus", command, directory.path());
        let prometheus = Self { port, _process: process, _directory: directory };
        until("Prometheus can be asked", async || {
            let answer = ask::get(prometheus.port.address(), "localhost", "/-/ready").await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
        prometheus
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.port.url()
    }
}
