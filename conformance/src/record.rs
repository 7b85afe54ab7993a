//! What was seen so far on both sides of the peer under test, and waiting for more.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// How a connection's incoming side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// With a FIN.
    Ended,
    /// With a reset.
    Reset,
}

/// What came in on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) got: Vec<u8>,
    pub(crate) over: Option<Over>,
    /// Where the bytes of a tunnel begin, if the target switched protocols.
    pub(crate) tunnel: Option<usize>,
}

/// Everything seen while a case runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// From the peer to the client.
    pub(crate) client: Side,
    /// From the peer to the target, by connection.
    pub(crate) target: Vec<Side>,
    /// Answers that the target has played to their end.
    pub(crate) played: usize,
}

impl Record {
    /// Whether any of the target's connections got `bytes`.
    pub(crate) fn target_saw(&self, bytes: &[u8]) -> bool {
        self.target.iter().any(|side| contains(&side.got, bytes))
    }

    /// Whether the client got `bytes`.
    pub(crate) fn client_saw(&self, bytes: &[u8]) -> bool {
        contains(&self.client.got, bytes)
    }
}

/// A record that is written to while others wait for what it says.
pub(crate) type Shared = watch::Sender<Record>;

/// Waits until `seen`, at most for `patience`; returns whether it was.
pub(crate) async fn wait(
    record: &Shared,
    patience: Duration,
    seen: impl FnMut(&Record) -> bool,
) -> bool {
    let mut watched = record.subscribe();
    let waiting = watched.wait_for(seen);
    tokio::time::timeout(patience, waiting).await.is_ok_and(|seen| seen.is_ok())
}

/// Records what comes from `stream` until it is over.
pub(crate) async fn read(
    mut stream: impl AsyncRead + Unpin,
    record: &Shared,
    side: impl Fn(&mut Record) -> &mut Side,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer).await;
        let mut over = None;
        record.send_modify(|record| {
            let side = side(record);
            match read {
                Ok(0) => side.over = Some(Over::Ended),
                Ok(n) => side.got.extend_from_slice(&buffer[..n]),
                Err(_) => side.over = Some(Over::Reset),
            }
            over = side.over;
        });
        if over.is_some() {
            return;
        }
    }
}

/// Whether `bytes` are anywhere in `all`.
pub(crate) fn contains(all: &[u8], bytes: &[u8]) -> bool {
    find(all, bytes).is_some()
}

/// Where `bytes` first are in `all`.
pub(crate) fn find(all: &[u8], bytes: &[u8]) -> Option<usize> {
    all.windows(bytes.len()).position(|window| window == bytes)
}
