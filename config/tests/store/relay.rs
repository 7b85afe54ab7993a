//! A relay between a store and etcd that can swallow what etcd says on one HTTP/2 stream: the
//! connection lives, reads are answered, the watch on it is silent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;

/// The relay. Its connections end when it is dropped.
pub(crate) struct Relay {
    address: std::net::SocketAddr,
    marker: Arc<Mutex<Option<String>>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A relay in front of `server` (`http://…`).
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let marker = Arc::new(Mutex::new(None));
        let server = server.trim_start_matches("http://").to_owned();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&marker);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let marker = Arc::clone(&shared);
                connections.spawn(copy(from_client, to_server));
                connections.spawn(async move {
                    let _ = frames(from_server, to_client, &marker).await;
                });
            }
        });
        Self { address, marker, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the next frame on that contains `marker`, nothing more is let through on its stream.
    /// Other streams, and the next connection, are not touched.
    pub(crate) fn silence_the_stream_that_says(&self, marker: &str) {
        *self.marker.lock().unwrap() = Some(marker.to_owned());
    }

    /// Whether that frame has come.
    pub(crate) fn has_silenced(&self) -> bool {
        self.marker.lock().unwrap().is_none()
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    marker: &Mutex<Option<String>>,
) -> std::io::Result<()> {
    let mut silenced = None;
    loop {
        let mut frame = vec![0; FRAME_HEAD];
        from.read_exact(&mut frame).await?;
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
        let (kind, stream) = (frame[3], [frame[5], frame[6], frame[7], frame[8]]);
        frame.resize(FRAME_HEAD + length, 0);
        from.read_exact(&mut frame[FRAME_HEAD..]).await?;
        if kind == DATA {
            let wanted = marker.lock().unwrap().take_if(|marker| {
                frame.windows(marker.len()).any(|window| window == marker.as_bytes())
            });
            silenced = wanted.map(|_| stream).or(silenced);
            if silenced == Some(stream) {
                continue;
            }
        }
        to.write_all(&frame).await?;
    }
}
