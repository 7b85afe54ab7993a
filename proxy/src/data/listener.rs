//! Listening sockets: bound once, one per data thread and address, and kept for the whole life of
//! the process. Nothing else binds, so the set can be handed to a successor as it is.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::door::Door;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel keeps for us between two accepts; it takes the smaller of this and
/// net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// One address, bound once for every data thread.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
    door: Door,
}

impl Listener {
    /// Binds `address` once for each of `threads` (at least one). Port 0 takes a free one, the same
    /// for all.
    ///
    /// `SO_REUSEPORT` gives each thread a queue of its own, so that a new connection wakes one
    /// thread and not all.
    pub fn bind(address: SocketAddr, threads: usize, door: Door) -> io::Result<Self> {
        let first = socket(address)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..threads {
            sockets.push(socket(address)?);
        }
        Ok(Self { address, sockets, door })
    }

    /// The address bound, with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.door.tls.is_some() { "https" } else { "http" }
    }

    /// What it asks and offers, and its sockets, one per thread.
    pub(super) fn into_parts(self) -> (Door, Vec<TcpListener>) {
        (self.door, self.sockets)
    }
}

/// Binds `address` and does not listen there, as a data thread's or, if it is not `shared`, as one
/// socket alone.
pub(crate) fn reserve(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for connections of the process before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = reserve(address, true)?;
    // Inherited by accepted connections on Linux, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
