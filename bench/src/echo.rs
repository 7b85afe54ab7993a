//! What answers a WebSocket for every proxy alike: each message comes back as it was.
//!
//! `bench-echo LISTEN`, on two threads. Any other request is answered with `ok`.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const THREADS: usize = 2;

/// Every client here sends the key of RFC 6455 1.3, and this is its answer.
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

/// Largest head, and largest message.
const LIMIT: usize = 1 << 20;

fn main() -> ExitCode {
    let Some(listen) = std::env::args().nth(1).and_then(|text| text.parse::<SocketAddr>().ok())
    else {
        return ExitCode::from(2);
    };
    let Ok(socket) = std::net::TcpListener::bind(listen) else { return ExitCode::FAILURE };
    let workers: Vec<_> = (0..THREADS)
        .map(|_| socket.try_clone().map(|socket| std::thread::spawn(move || serve(socket))))
        .collect();
    for worker in workers.into_iter().flatten() {
        let _ = worker.join();
    }
    ExitCode::FAILURE
}

fn serve(socket: std::net::TcpListener) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket)?;
        loop {
            let (client, _) = listener.accept().await?;
            tokio::task::spawn_local(answer(client));
        }
    })
}

async fn answer(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(64 * 1024);
    loop {
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            more(&mut client, &mut bytes).await?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        bytes.drain(..end);
        if head.contains("\r\nupgrade: websocket\r\n") {
            client.write_all(SWITCH).await?;
            return echo(client, bytes).await;
        }
        client.write_all(PLAIN).await?;
    }
}

async fn echo(mut client: TcpStream, mut bytes: Vec<u8>) -> io::Result<()> {
    loop {
        while let Some(whole) = unmask(&mut bytes) {
            client.write_all(&whole).await?;
        }
        more(&mut client, &mut bytes).await?;
    }
}

/// Takes the first frame, if all of it is there, and makes it one of a server's: without a mask.
fn unmask(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let short = usize::from(*bytes.get(1)? & 0x7f);
    let (length, at) = match short {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        _ => (short, 2),
    };
    let mask: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    let payload = bytes.get(at + 4..at + 4 + length)?;
    let mut frame = Vec::with_capacity(at + length);
    frame.extend_from_slice(&bytes[..at]);
    frame[1] &= 0x7f;
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes.drain(..at + 4 + length);
    Some(frame)
}

async fn more(client: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.len() > LIMIT || client.read_buf(bytes).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
