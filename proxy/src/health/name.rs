//! The name of a target, resolved off the data threads.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use shunt_config::Address;
use tokio::time::{Instant, timeout};

use super::limits::Limits;
use crate::route::Target;

/// How long a resolved name is used, and how long an answer is waited for.
const AGE: Duration = Duration::from_secs(5);

/// The name of a target, if it has one.
#[derive(Debug)]
pub(super) struct Name {
    host: Option<(String, u16)>,
    resolved: Option<Instant>,
}

impl Name {
    /// The name that `target` was announced with.
    pub(super) fn new(target: &Target) -> Self {
        let host = match &target.address {
            Address::Tcp { host, port } if host.parse::<IpAddr>().is_err() => {
                Some((host.clone(), *port))
            }
            _ => None,
        };
        Self { host, resolved: None }
    }

    /// Resolves the name if that is due. While it cannot be resolved, the last addresses stay; an
    /// error means that there are none.
    pub(super) async fn refresh(&mut self, target: &Target, limits: &Limits) -> Result<(), String> {
        let Some(host) = &self.host else { return Ok(()) };
        if self.resolved.is_some_and(|at| at.elapsed() < AGE) {
            return Ok(());
        }
        let found = timeout(AGE, look_up(host.clone(), limits)).await;
        let reason = match found.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(all) => {
                self.resolved = Some(Instant::now());
                if *target.addresses() != all {
                    target.set_addresses(all);
                }
                return Ok(());
            }
            Err(reason) => reason,
        };
        match target.addresses().is_empty() {
            true => Err(format!("name `{}` is not resolved: {reason}", host.0)),
            false => Ok(()),
        }
    }
}

/// Asks the system's resolver; at least one address.
async fn look_up(host: (String, u16), limits: &Limits) -> Result<Vec<SocketAddr>, String> {
    let permit = Arc::clone(&limits.lookups).acquire_owned().await.map_err(|e| e.to_string())?;
    // Given up or not, the look-up goes on in its thread and keeps its permit: otherwise a dead
    // resolver could take all threads that snapshots and metrics are written on.
    let found = tokio::task::spawn_blocking(move || {
        let found = host.to_socket_addrs().map(Vec::from_iter);
        drop(permit);
        found
    });
    let mut all = found.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    // The resolver names each address once per kind of socket.
    let mut known = std::collections::HashSet::new();
    all.retain(|address| known.insert(*address));
    if all.is_empty() { Err("it stands for no address".to_owned()) } else { Ok(all) }
}
