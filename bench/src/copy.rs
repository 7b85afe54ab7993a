//! The floor under every figure: bytes copied both ways, one read and one write for each piece.
//!
//! `bench-copy LISTEN TARGET [LISTEN TARGET]...`, on two threads. What a proxy costs above this, it
//! costs for HTTP.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

const THREADS: usize = 2;

/// The largest read.
const PIECE: usize = 64 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

fn main() -> ExitCode {
    let addresses: Result<Vec<SocketAddr>, _> =
        std::env::args().skip(1).map(|text| text.parse()).collect();
    let Ok(addresses) = addresses else { return ExitCode::from(2) };
    let pairs: Vec<_> = addresses.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let worker = || {
        let pairs = pairs.clone();
        std::thread::spawn(move || serve(&pairs))
    };
    let workers: Vec<_> = (0..THREADS).map(|_| worker()).collect();
    for worker in workers {
        // Who wants to know waits until it can connect.
        let _ = worker.join();
    }
    ExitCode::FAILURE
}

fn serve(pairs: &[(SocketAddr, SocketAddr)]) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut listeners = JoinSet::new();
        for &(listen, target) in pairs {
            listeners.spawn_local(accept(bound(listen)?, target));
        }
        listeners.join_next().await.unwrap_or(Ok(Ok(())))?
    })
}

async fn accept(listener: TcpListener, target: SocketAddr) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        tokio::task::spawn_local(copy(client, target));
    }
}

fn bound(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn copy(mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut target = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut target, PIECE, PIECE).await?;
    Ok(())
}
