//! One app and its proxies, kept up to date: what every wait of a deploy looks at.

use std::sync::Arc;
use std::time::Duration;

use shunt_config::store::{Store, StoreError, View, Watch, WatchEvent};
use shunt_config::{AppName, key};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app_keys::AppKeys;
use crate::fleet::Fleet;
use crate::report::Tell;

/// How long the store may take for the first full view.
const FIRST_VIEW: Duration = Duration::from_secs(15);

/// How often whoever waits is told again: times count on, and a pipe hears of a long wait.
const TICK: Duration = Duration::from_secs(1);

/// One app and its proxies, kept up to date by three watches.
#[derive(Debug)]
pub struct Sight {
    /// The app's keys.
    pub keys: AppKeys,
    /// The proxies, and what they say of the app.
    pub fleet: Fleet,
    store: Arc<dyn Store>,
    app: Feed,
    known: Feed,
    live: Feed,
}

/// One watch, and whether what it told is still true.
#[derive(Debug)]
struct Feed {
    watch: Watch,
    lost: Option<String>,
    /// The store itself is gone, and no event will ever come.
    ended: bool,
}

/// What a look at the app says to whoever waits.
#[derive(Debug)]
pub enum Look<T> {
    /// What was waited for has come.
    Done(T),
    /// Not yet: for whom (it changes only when that changes), and what there is to say.
    Wait(String, String),
}

/// How a wait ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// What was waited for has come.
    Done(T),
    /// The deadline passed; what was last waited for.
    TimedOut(String),
}

impl Sight {
    /// Begins to watch; returns when all has been seen once.
    pub async fn open(store: &Arc<dyn Store>, app: &AppName) -> Result<Self, StoreError> {
        let feed = |prefix: &str| {
            let lost = Some("not read yet".to_owned());
            Feed { watch: store.watch(prefix), lost, ended: false }
        };
        let mut sight = Self {
            keys: AppKeys::empty(app.clone()),
            fleet: Fleet::of(app),
            store: Arc::clone(store),
            app: feed(&AppKeys::prefix(app)),
            known: feed(key::FLEET),
            live: feed(key::PROXIES),
        };
        let deadline = Instant::now() + FIRST_VIEW;
        while let Some(reason) = sight.out_of_touch() {
            let reason = reason.to_owned();
            tokio::select! {
                () = sight.changed() => {}
                () = sleep_until(deadline) => {
                    let store = store.name();
                    return Err(StoreError::Unreachable { store, reason });
                }
            }
        }
        Ok(sight)
    }

    /// Why what is seen here may be out of date, if it may.
    pub fn out_of_touch(&self) -> Option<&str> {
        [&self.app, &self.known, &self.live].into_iter().find_map(|feed| feed.lost.as_deref())
    }

    /// Waits for the next event and takes it over.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses no event.
    pub async fn changed(&mut self) {
        tokio::select! {
            event = self.app.watch.next(), if !self.app.ended => {
                self.app.note(event.as_ref());
                match event {
                    Some(WatchEvent::Full(view)) => {
                        self.keys = AppKeys::of(self.keys.name.clone(), &view);
                    }
                    Some(WatchEvent::Changed(all)) => all.iter().for_each(|c| self.keys.apply(c)),
                    _ => {}
                }
            }
            event = self.known.watch.next(), if !self.known.ended => {
                self.known.note(event.as_ref());
                take(&mut self.fleet, key::FLEET, event);
            }
            event = self.live.watch.next(), if !self.live.ended => {
                self.live.note(event.as_ref());
                take(&mut self.fleet, key::PROXIES, event);
            }
            else => std::future::pending().await,
        }
    }

    /// Looks again at every change, and every second, until `look` is done, fails, or `limit` has
    /// passed. Nothing is concluded from what may be out of date: neither while the store is out of
    /// reach, nor from a watch that lags behind what this process has written itself. So a look
    /// that fails is repeated on keys that were read afresh.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses no event.
    pub async fn wait<T, E>(
        &mut self,
        limit: Duration,
        tell: &mut Tell<'_>,
        mut look: impl FnMut(&AppKeys, &Fleet) -> Result<Look<T>, E>,
    ) -> Result<Waited<T>, E> {
        let deadline = Instant::now() + limit;
        loop {
            let waits = match self.look(&mut look).await? {
                Look::Done(value) => return Ok(Waited::Done(value)),
                Look::Wait(key, text) => {
                    tell(&key, &text);
                    text
                }
            };
            tokio::select! {
                () = self.changed() => {}
                () = sleep(TICK) => {}
                () = sleep_until(deadline) => return Ok(Waited::TimedOut(waits)),
            }
        }
    }

    async fn look<T, E>(
        &self,
        look: &mut impl FnMut(&AppKeys, &Fleet) -> Result<Look<T>, E>,
    ) -> Result<Look<T>, E> {
        if let Some(reason) = self.out_of_touch() {
            let text = format!("{} is out of reach: {reason}", self.store.name());
            return Ok(Look::Wait("store".to_owned(), text));
        }
        match look(&self.keys, &self.fleet) {
            Err(doubtful) => match AppKeys::read(&*self.store, &self.keys.name).await {
                Ok(keys) => look(&keys, &self.fleet),
                Err(StoreError::Refused { .. }) => Err(doubtful),
                Err(error) => Ok(Look::Wait("store".to_owned(), error.to_string())),
            },
            seen => seen,
        }
    }
}

impl Feed {
    fn note(&mut self, event: Option<&WatchEvent>) {
        match event {
            Some(WatchEvent::Full(_)) => self.lost = None,
            Some(WatchEvent::Lost(reason)) => self.lost = Some(reason.clone()),
            Some(_) => {}
            None => {
                self.ended = true;
                self.lost = Some("the watch ended".to_owned());
            }
        }
    }
}

fn take(fleet: &mut Fleet, prefix: &str, event: Option<WatchEvent>) {
    match event {
        Some(WatchEvent::Full(View { entries, .. })) => {
            fleet.clear(prefix);
            for entry in entries.values() {
                fleet.put(entry);
            }
        }
        Some(WatchEvent::Changed(all)) => all.iter().for_each(|change| fleet.apply(change)),
        _ => {}
    }
}
