//! A watch: a full read, the changes after it, and the proof that none went missing.
//!
//! A watch stream can die without an error: a member that is cut off, a proxy in between, a bug.
//! So every other second a linearizable read asks whether anything was changed that the stream did
//! not tell. What was seen moves by full reads and events alone: etcd before 3.4.25 can send a
//! progress answer ahead of the events it speaks of.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{EventType, GetOptions, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{sleep, timeout};

use super::Inner;
use super::link::Repeat;
use crate::store::watch::{Feed, Follow};
use crate::store::{Change, StoreError, WatchEvent};

/// Between two checks.
const CHECK: Duration = Duration::from_secs(2);
/// How long a check may take: with the wait before it, a frozen etcd is noticed within 4 s.
const CHECK_TIME: Duration = Duration::from_millis(1_500);
/// How long the stream has to deliver what a check found.
const DELIVERY: Duration = Duration::from_secs(1);

/// One watch.
#[derive(Debug)]
pub(super) struct Source {
    inner: Arc<Inner>,
    prefix: String,
}

/// What the stream has told.
#[derive(Debug)]
struct Seen {
    cluster: u64,
    /// The revision of the full read or of the last event.
    revision: i64,
    /// How many keys there are.
    count: usize,
}

/// What a check found.
#[derive(Debug)]
struct Found {
    /// What the stream had told when the check began.
    seen: i64,
    cluster: u64,
    /// The revision the store was at.
    revision: i64,
    /// How many keys there are.
    count: usize,
    /// The last revision that changed one of them, if that is newer than what was asked about.
    newest: Option<i64>,
}

impl Source {
    pub(super) fn new(inner: &Arc<Inner>, prefix: &str) -> Self {
        Self { inner: Arc::clone(inner), prefix: prefix.to_owned() }
    }

    async fn try_follow(&self, feed: &mut Feed) -> Result<(), String> {
        let everything = GetOptions::new();
        let (header, all) =
            self.inner.get(&self.prefix, everything, Repeat::Never).await.map_err(text)?;
        let view = self.inner.view(&header, &all);
        let mut seen = Seen {
            cluster: header.cluster_id(),
            revision: header.revision(),
            count: all.kvs().len(),
        };
        // This goes on for as long as the contact, and the answer may be large.
        drop(all);
        let mut stream = self.open(seen.revision).await?;
        feed.send(WatchEvent::Full(view)).await;

        let mut checked = 0;
        let mut doubt = None;
        let mut check = pin!(self.check(CHECK, seen.revision, checked));
        loop {
            // Both at once: a slow check must not hold up a change.
            let found = tokio::select! {
                biased;
                message = stream.message() => {
                    let message = message.map_err(|e| super::error::text(&e))?;
                    self.take(message, &mut seen, feed).await?;
                    continue;
                }
                found = &mut check => found?,
            };
            let wait = if seen.agrees(&found)? {
                checked = found.revision;
                doubt = None;
                feed.send(WatchEvent::Confirmed).await;
                CHECK
            } else if doubt == Some(seen.revision) {
                return Err("the watch is silent about changes that a read shows".to_owned());
            } else {
                doubt = Some(seen.revision);
                DELIVERY
            };
            check.set(self.check(wait, seen.revision, checked));
        }
    }

    async fn open(&self, revision: i64) -> Result<WatchStream, String> {
        let client = self.inner.links.client().await.map_err(text)?;
        let mut client = client.watch_client().max_decoding_message_size(super::MAX_ANSWER);
        let options = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
        let opened = client.watch(self.inner.absolute(&self.prefix), Some(options));
        match timeout(CHECK_TIME, opened).await {
            Ok(opened) => opened.map_err(|e| super::error::text(&e)),
            Err(_) => Err("the watch was not opened in time".to_owned()),
        }
    }

    /// Feeds the changes of one message, those of one revision together.
    async fn take(
        &self,
        message: Option<WatchResponse>,
        seen: &mut Seen,
        feed: &mut Feed,
    ) -> Result<(), String> {
        let message = message.ok_or("etcd ended the watch")?;
        if message.canceled() {
            return Err(match message.compact_revision() {
                0 => format!("etcd cancelled the watch: {}", message.cancel_reason()),
                at => format!("revision {} was compacted away (up to {at})", seen.revision + 1),
            });
        }
        let mut revisions: BTreeMap<i64, Vec<Change>> = BTreeMap::new();
        for event in message.events() {
            let Some(kv) = event.kv().filter(|kv| kv.mod_revision() > seen.revision) else {
                continue;
            };
            let change = match event.event_type() {
                EventType::Put => {
                    seen.count += usize::from(kv.version() == 1);
                    self.inner.entry(seen.cluster, kv).map(Change::Put)
                }
                EventType::Delete => {
                    seen.count = seen.count.saturating_sub(1);
                    self.inner.relative(kv.key()).map(|key| Change::Deleted(key.to_owned()))
                }
            };
            revisions.entry(kv.mod_revision()).or_default().extend(change);
        }
        for (revision, changes) in revisions {
            seen.revision = revision;
            // Empty if no key in it is text: none of ours.
            if !changes.is_empty() {
                feed.send(WatchEvent::Changed(changes)).await;
            }
        }
        Ok(())
    }

    /// After `wait`, asks etcd what was changed after revision `seen`. If nothing at all happened
    /// since revision `checked`, counting the keys is enough.
    async fn check(&self, wait: Duration, seen: i64, checked: i64) -> Result<Found, String> {
        sleep(wait).await;
        let counted = async {
            let found = self.ask(seen, GetOptions::new().with_count_only()).await?;
            if found.revision == checked {
                return Ok(found);
            }
            let newer = GetOptions::new().with_keys_only().with_min_mod_revision(seen + 1);
            self.ask(seen, newer).await
        };
        match timeout(CHECK_TIME, counted).await {
            Ok(found) => found.map_err(text),
            Err(_) => Err(format!("no answer in {} ms", CHECK_TIME.as_millis())),
        }
    }

    async fn ask(&self, seen: i64, options: GetOptions) -> Result<Found, StoreError> {
        let (header, response) = self.inner.get(&self.prefix, options, Repeat::Always).await?;
        Ok(Found {
            seen,
            cluster: header.cluster_id(),
            revision: header.revision(),
            count: usize::try_from(response.count()).unwrap_or_default(),
            newest: response.kvs().iter().map(etcd_client::KeyValue::mod_revision).max(),
        })
    }
}

impl Seen {
    /// Whether the stream has told all that a check found; an error if the store is another one.
    fn agrees(&self, found: &Found) -> Result<bool, String> {
        if found.cluster != self.cluster {
            let (was, is) = (self.cluster, found.cluster);
            return Err(format!("another cluster answers: {is:x} instead of {was:x}"));
        }
        if found.revision < found.seen {
            let (was, is) = (found.seen, found.revision);
            return Err(format!("the cluster went back from revision {was} to {is}"));
        }
        let told = found.newest.is_none_or(|newest| newest <= self.revision);
        Ok(told && found.count == self.count)
    }
}

fn text(error: StoreError) -> String {
    match error {
        StoreError::Unreachable { reason, .. } | StoreError::Refused { reason, .. } => reason,
        StoreError::LeaseLost => error.to_string(),
    }
}

impl Follow for Source {
    async fn follow(&self, feed: &mut Feed) -> String {
        let ended = Box::pin(self.try_follow(feed)).await;
        // The next attempt must not go over the connection that failed this one.
        self.inner.links.renew();
        match ended {
            Ok(()) => "the watch ended".to_owned(),
            Err(reason) => reason,
        }
    }

    fn what(&self) -> String {
        format!("{} in {}", self.inner.absolute(&self.prefix), self.inner.links.name())
    }
}
