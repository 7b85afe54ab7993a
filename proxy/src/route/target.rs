//! One address that answers for a release.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use shunt_config::Address;

/// One target of one announcement. The same address announced again is another `Target`: what was
/// proved of the old one says nothing about the container that stands there now.
#[derive(Debug)]
pub struct Target {
    /// Where it answers, as announced.
    pub address: Address,
    /// Its share of requests relative to the release's other targets.
    pub weight: u16,
    /// What the health checks say; written by them, read by every request.
    usable: AtomicBool,
    /// Addresses the name stands for, kept up to date off the data threads; empty until resolved.
    resolved: ArcSwap<Vec<SocketAddr>>,
}

impl Target {
    /// A target that has proved nothing yet.
    pub fn new(target: &shunt_config::Target) -> Self {
        let known = match &target.address {
            Address::Tcp { host, port } => {
                host.parse().map(|ip| SocketAddr::new(ip, *port)).into_iter().collect()
            }
            Address::Unix(_) => Vec::new(),
        };
        Self {
            address: target.address.clone(),
            weight: target.weight,
            usable: AtomicBool::new(false),
            resolved: ArcSwap::from_pointee(known),
        }
    }

    /// Whether requests should be sent here. When no target of a release is usable, all are tried.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Records what the health checks say. Only they and the snapshot on disk may call this.
    pub fn set_usable(&self, usable: bool) {
        self.usable.store(usable, Ordering::Relaxed);
    }

    /// The addresses to connect to, the first one first; empty while a name is not resolved.
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.resolved.load_full()
    }

    /// Records what the name stands for now.
    pub fn set_addresses(&self, addresses: Vec<SocketAddr>) {
        self.resolved.store(Arc::new(addresses));
    }
}
