//! A cable that can be pulled: between a proxy and its etcd, say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections are closed, new ones at once.
    Cut,
    /// Connections stay and nothing passes: what a firewall does that has lost its memory.
    Silent,
}

/// Passes bytes on between its own address and another, until it is told not to.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    serving: JoinHandle<()>,
}

impl Relay {
    /// A relay to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), target).await
    }

    /// A relay from an address of this machine to `target`.
    pub async fn at(ip: IpAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State::Whole);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, target, watched.clone()));
            }
        });
        Self { address, state, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and refuses new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Keeps all connections and lets nothing pass, either way.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Lets new connections pass; those it had kept in silence are closed.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(mut stream: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let now = *state.borrow_and_update();
    if now == State::Whole {
        let Ok(mut other) = TcpStream::connect(target).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut stream, &mut other) => return,
            _ = state.changed() => {}
        }
        if *state.borrow_and_update() == State::Silent {
            let _ = state.changed().await;
        }
    } else if now == State::Silent {
        let _ = state.changed().await;
    }
}
