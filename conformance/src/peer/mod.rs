//! The proxies that are asked.

mod haproxy;
mod memory;
mod nginx;
mod shunt;

use std::net::SocketAddr;
use std::time::Duration;

use e2e::{Port, Process, Proxy, Relay, Store, until};
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) use memory::Memory;

use crate::record::{Record, Shared};
use crate::run;
use crate::target::Target;

/// A proxy to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// shunt-proxy, as it was built.
    Shunt,
    /// nginx, with what makes it do the same.
    Nginx,
    /// HAProxy, with what makes it do the same.
    Haproxy,
    /// One that passes all bytes on and looks at none: the suite has to notice.
    Relay,
}

impl Peer {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shunt => "shunt",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Relay => "relay",
        }
    }

    /// How long it is waited for what must come: long for the one that has to be right, so that
    /// only what is wrong fails it; short for those that often are not.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::Shunt => Duration::from_secs(10),
            Self::Nginx | Self::Haproxy => Duration::from_secs(4),
            Self::Relay => Duration::from_millis(500),
        }
    }
}

/// A peer that runs, and the target behind it.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it speaks HTTP/1.
    pub(crate) http1: SocketAddr,
    /// Where it speaks HTTP/2 with prior knowledge.
    pub(crate) http2: SocketAddr,
    pub(crate) target: Target,
    parts: Parts,
}

/// What has to live as long as the peer.
#[derive(Debug)]
enum Parts {
    Shunt { proxy: Box<Proxy>, _store: Store },
    Other { process: Process, _directory: TempDir, _ports: [Port; 2] },
    Relay { _relay: Relay },
}

impl Running {
    /// Starts `peer`, and waits until it passes requests on.
    pub(crate) async fn start(peer: Peer) -> Self {
        let target = Target::start().await;
        let running = match peer {
            Peer::Shunt => shunt::start(target).await,
            Peer::Nginx => other("nginx", target, nginx::CONFIGURATION, &["-e", "stderr", "-c"]),
            Peer::Haproxy => other("haproxy", target, haproxy::CONFIGURATION, &["-db", "-f"]),
            Peer::Relay => {
                let relay = Relay::to(target.address()).await;
                let (http1, http2) = (relay.address(), relay.address());
                Self { http1, http2, target, parts: Parts::Relay { _relay: relay } }
            }
        };
        running.target.play(Vec::new(), &Shared::new(Record::default()), peer.patience());
        until(&format!("{} passes requests on", peer.name()), async || {
            run::answers(running.http1, peer.patience()).await.ok()
        })
        .await;
        running.target.clear().await;
        running
    }

    /// The process that speaks.
    pub(crate) fn process(&self) -> Option<u32> {
        match &self.parts {
            Parts::Shunt { proxy, .. } => Some(proxy.running().id()),
            Parts::Other { process, .. } => Some(process.id()),
            Parts::Relay { .. } => None,
        }
    }
}

/// Starts a peer that has a file, in which `{http1}`, `{http2}`, `{target}` and `{directory}` stand
/// for themselves.
fn other(program: &str, target: Target, configuration: &str, arguments: &[&str]) -> Running {
    let directory = TempDir::with_prefix("shunt-conformance-").unwrap();
    let ports = [Port::free(), Port::free()];
    let text = configuration
        .replace("{http1}", &ports[0].address().to_string())
        .replace("{http2}", &ports[1].address().to_string())
        .replace("{target}", &target.address().to_string())
        .replace("{directory}", &directory.path().display().to_string());
    let file = directory.path().join("configuration");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).arg(&file);
    let process = Process::start(program, command, directory.path());
    let (http1, http2) = (ports[0].address(), ports[1].address());
    let all = Parts::Other { process, _directory: directory, _ports: ports };
    Running { http1, http2, target, parts: all }
}
