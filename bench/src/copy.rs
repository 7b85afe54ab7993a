//! The floor under every figure: bytes copied both ways, one read and one write for each piece.
//!
//! `bench-copy LISTEN TARGET [THREADS]`. Whatever a proxy costs above this, it costs for HTTP.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The largest read.
const PIECE: usize = 64 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = |n: usize| arguments.get(n).and_then(|text| text.parse::<SocketAddr>().ok());
    let (Some(listen), Some(target)) = (address(0), address(1)) else {
        return ExitCode::from(2);
    };
    let threads = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(2);
    // A floor that does not stand is seen by whoever connects.
    let worker = || std::thread::spawn(move || serve(listen, target));
    let workers: Vec<_> = (0..threads).map(|_| worker()).collect();
    let ended = workers.into_iter().map(std::thread::JoinHandle::join);
    ended.last().map_or(ExitCode::FAILURE, |_| ExitCode::FAILURE)
}

fn serve(listen: SocketAddr, target: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = bound(listen)?;
        loop {
            let (client, _) = listener.accept().await?;
            tokio::task::spawn_local(copy(client, target));
        }
    })
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
