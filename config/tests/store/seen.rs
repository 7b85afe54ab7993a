//! A watch as a test reads it.

use std::collections::BTreeMap;

use e2e::wait::PATIENCE;
use shunt_config::store::{Change, Entry, Store, View, Watch, WatchEvent};

/// A watch, and what is known by it.
pub(crate) struct Seen {
    watch: Watch,
    pub(crate) entries: BTreeMap<String, Entry>,
}

impl Seen {
    /// Watches `prefix` until the first full view has come.
    pub(crate) async fn begin(store: &dyn Store, prefix: &str) -> Self {
        let mut seen = Self { watch: store.watch(prefix), entries: BTreeMap::new() };
        seen.full().await;
        seen
    }

    /// The next event of any kind; takes it into account.
    pub(crate) async fn next(&mut self) -> WatchEvent {
        let event = self.watch.next().await.expect("the watch goes on");
        match &event {
            WatchEvent::Full(view) => self.entries = view.entries.clone(),
            WatchEvent::Changed(changes) => changes.iter().for_each(|change| self.apply(change)),
            WatchEvent::Confirmed | WatchEvent::Lost(_) => {}
        }
        event
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(entry) => drop(self.entries.insert(entry.key.clone(), entry.clone())),
            Change::Deleted(key) => {
                assert!(self.entries.remove(key).is_some(), "`{key}` was there before");
            }
        }
    }

    /// The next changes; losing contact on the way is a failure.
    pub(crate) async fn changed(&mut self) -> Vec<Change> {
        self.first("changes come", |event| match event {
            WatchEvent::Changed(changes) => Some(changes),
            WatchEvent::Confirmed => None,
            other => panic!("a change was to come, not {other:?}"),
        })
        .await
    }

    /// Waits for a full view, whatever comes before it.
    pub(crate) async fn full(&mut self) -> View {
        self.first("a full view comes", |event| match event {
            WatchEvent::Full(view) => Some(view),
            _ => None,
        })
        .await
    }

    /// Waits until contact is lost; says why.
    pub(crate) async fn lost(&mut self) -> String {
        self.first("contact is lost", |event| match event {
            WatchEvent::Lost(reason) => Some(reason),
            WatchEvent::Full(view) => panic!("contact was to be lost first, not {view:?}"),
            _ => None,
        })
        .await
    }

    /// Waits for the proof of contact.
    pub(crate) async fn confirmed(&mut self) {
        self.first("contact is confirmed", |event| (event == WatchEvent::Confirmed).then_some(()))
            .await;
    }

    async fn first<T>(&mut self, what: &str, wanted: impl Fn(WatchEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.next().await) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// Waits until what is known is as `wanted`; events of any kind may come on the way.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Self) -> bool) {
        let search = async {
            while !wanted(self) {
                self.next().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        assert!(found.is_ok(), "waited in vain; known: {:?}", self.entries.keys());
    }

    /// What is known of `key`, as text without the line end.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| std::str::from_utf8(&entry.value).unwrap().trim_end())
    }
}
