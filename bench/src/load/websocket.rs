//! Messages through a WebSocket (RFC 6455), one at a time on each connection, that come back as they were.

use std::io;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Load;
use crate::exchange::Exchange;
use crate::tally::Tally;

/// Length that is said in the two bytes after it.
const TWO_BYTES: u8 = 126;

pub(crate) async fn run(load: &Load, size: usize) -> Tally {
    let tally = Tally::default();
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..load.connections {
        clients.spawn_local(client(load.clone(), frame(size), tally.clone()));
    }
    while clients.join_next().await.is_some() {}
    tally.end(began.elapsed(), 0);
    tally
}

async fn client(load: Load, frame: Vec<u8>, tally: Tally) {
    let ends = Instant::now() + load.time();
    let mut opened = match open(&load).await {
        Ok(opened) => opened,
        Err(error) => {
            tally.take::<()>(Instant::now(), Err(error));
            return;
        }
    };
    while Instant::now() < ends {
        let began = Instant::now();
        let echo = async {
            opened.stream().write_all(&frame).await?;
            // A server's frame is the same without the four bytes of the mask.
            opened.skip(frame.len() - 4).await
        };
        if tally.take(began, echo.await).is_none() {
            return;
        }
    }
}

async fn open(load: &Load) -> io::Result<Exchange<TcpStream>> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut exchange = Exchange::on(stream);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        load.path, load.address
    );
    exchange.head(request.as_bytes(), "101").await?;
    Ok(exchange)
}

/// A whole binary message of `size` bytes, masked as a client's has to be.
fn frame(size: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match u8::try_from(size) {
        Ok(small) if small < TWO_BYTES => frame.push(0x80 | small),
        _ => {
            frame.push(0x80 | TWO_BYTES);
            frame.extend(u16::try_from(size).unwrap().to_be_bytes());
        }
    }
    let mask = [0x3a, 0x7f, 0x11, 0xc4];
    frame.extend(mask);
    frame.extend(mask.iter().cycle().take(size));
    frame
}
