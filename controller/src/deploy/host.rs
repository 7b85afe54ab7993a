//! The machines that a deploy starts containers on, and what it has started.

use std::sync::Arc;

use futures_util::future::join_all;
use shunt_config::{Address, deploy_file};

use crate::engine::{self, Container, Engine};
use crate::exit::Failure;

/// A machine that containers are started on.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its engine, and where its ports are published.
    pub(super) named: deploy_file::Host,
    pub(super) engine: Arc<dyn Engine>,
    /// By what its engine knows the image, once it was pulled.
    pub(super) image: Option<String>,
}

/// A container of the new release.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) container: Container,
    pub(super) engine: Arc<dyn Engine>,
    /// Where it answers.
    pub(super) address: Address,
    /// Whether it is on another machine, so that it need not be reachable from here.
    pub(super) elsewhere: bool,
}

impl Host {
    /// Opens the engines of all `hosts`.
    pub async fn open(hosts: Vec<deploy_file::Host>) -> Result<Vec<Self>, Failure> {
        let open = |named: deploy_file::Host| async {
            let engine = engine::open(&named.engine).await?;
            Ok(Self { named, engine, image: None })
        };
        let mut opened = Vec::new();
        let mut failures: Vec<Failure> = Vec::new();
        for result in join_all(hosts.into_iter().map(open)).await {
            match result.map_err(|error: engine::EngineError| error.into()) {
                Ok(host) => opened.push(host),
                Err(failure) => failures.push(failure),
            }
        }
        let mut failures = failures.into_iter();
        match failures.next() {
            None => Ok(opened),
            Some(first) => Err(first.details(failures.map(|failure| failure.said))),
        }
    }

    /// `container`, whose port is published as `port` here.
    pub(super) fn replica(&self, container: Container, port: u16) -> Replica {
        Replica {
            container,
            engine: Arc::clone(&self.engine),
            address: Address::Tcp { host: self.named.address.to_string(), port },
            elsewhere: self.named.engine.url.host().is_some(),
        }
    }
}
