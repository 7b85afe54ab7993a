//! What a watch tells, and the loop that keeps one going.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::{Entry, View};

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A value was put.
    Put(Entry),
    /// The key is gone.
    Deleted(String),
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// The whole prefix as it stands: first, and after every time contact was lost.
    Full(View),
    /// All changes of one revision.
    Changed(Vec<Change>),
    /// Nothing new, and the store was just proved to be in touch (at least every 5 s).
    Confirmed,
    /// Contact is lost, and why; the watch goes on trying and answers with `Full`.
    Lost(String),
}

/// A watch on a prefix. It never ends by itself; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
}

impl Watch {
    /// A watch fed by the returned sender.
    pub fn channel() -> (mpsc::Sender<WatchEvent>, Self) {
        let (sender, events) = mpsc::channel(64);
        (sender, Self { events })
    }

    /// The next event; `None` only when the store itself is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses no event.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }
}

/// A store's way to watch: it feeds events until contact is lost.
pub(super) trait Follow: Send + Sync + 'static {
    /// Feeds a [`WatchEvent::Full`] and what changes after it; returns why contact was lost.
    fn follow(&self, feed: &mut Feed) -> impl Future<Output = String> + Send;

    /// What is watched, for the log.
    fn what(&self) -> String;
}

/// Where the events of one watch go.
#[derive(Debug)]
pub(super) struct Feed {
    sender: mpsc::Sender<WatchEvent>,
    in_touch: bool,
    backoff: Duration,
}

/// Between two attempts. The longest is short: a flip made while the store was away must be
/// applied within a second of its return.
const BACKOFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_millis(500);

impl Feed {
    /// Hands `event` on; waits while the reader is behind.
    pub(super) async fn send(&mut self, event: WatchEvent) {
        if let WatchEvent::Full(_) = event {
            self.in_touch = true;
            self.backoff = *BACKOFF.start();
        }
        // An error means that the reader is gone, which ends `keep_following` at the next await.
        let _ = self.sender.send(event).await;
    }
}

/// Starts a watch that outlives every loss of contact. Needs a tokio runtime.
pub(super) fn start(source: impl Follow) -> Watch {
    let (sender, watch) = Watch::channel();
    tokio::spawn(keep_following(source, sender));
    watch
}

async fn keep_following(source: impl Follow, sender: mpsc::Sender<WatchEvent>) {
    let closed = sender.clone();
    let mut feed = Feed { sender, in_touch: true, backoff: *BACKOFF.start() };
    let endless = async {
        loop {
            let reason = source.follow(&mut feed).await;
            if feed.in_touch {
                feed.in_touch = false;
                warn!(watch = source.what(), reason, "contact lost");
                feed.send(WatchEvent::Lost(reason)).await;
            } else {
                debug!(watch = source.what(), reason, "still no contact");
            }
            tokio::time::sleep(feed.backoff.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            feed.backoff = (feed.backoff * 2).min(*BACKOFF.end());
        }
    };
    tokio::select! {
        () = closed.closed() => info!(watch = source.what(), "watch ended"),
        () = endless => {}
    }
}
